// What is used of libext2fs's C interface (libext2fs.so.2 since 1997, whose structures have kept their form). Declared
// here and looked up while the program runs, so that neither building nor starting Goldsmith needs libext2fs.
#include <stddef.h>
#include <stdint.h>

struct goldsmith_io_manager;

// struct struct_io_channel
struct goldsmith_io_channel {
    long magic;
    struct goldsmith_io_manager *manager;
    char *name;
    int block_size;
    void *read_error, *write_error;
    int references, flags;
    long reserved[14];
    void *data, *unused;
    int alignment;
};

// struct struct_io_manager; what this program leaves null is never called for a file system that is only read.
struct goldsmith_io_manager {
    long magic;
    const char *name;
    long (*open)(const char *name, int flags, struct goldsmith_io_channel **channel);
    long (*close)(struct goldsmith_io_channel *channel);
    long (*set_block_size)(struct goldsmith_io_channel *channel, int size);
    long (*read)(struct goldsmith_io_channel *channel, unsigned long block, int count, void *bytes);
    void *write;
    long (*flush)(struct goldsmith_io_channel *channel);
    void *write_byte, *set_option, *get_stats;
    long (*read64)(struct goldsmith_io_channel *channel, unsigned long long block, int count, void *bytes);
    void *write64, *discard, *read_ahead, *zero_out;
    long reserved[14];
};

// The beginning of struct struct_ext2_filsys.
struct goldsmith_file_system {
    long magic;
    void *channel;
    int flags;
    char *name;
    void *superblock;
    unsigned block_size;
    int fragment_size;
    uint32_t groups;
    unsigned long group_blocks;
    void *group_descriptors;
    unsigned inode_blocks;
    void *inode_map, *block_map;
};

// struct ext2_inode
struct goldsmith_inode {
    uint16_t mode, user;
    uint32_t size, times[4];
    uint16_t group, links;
    uint32_t blocks, flags, version, block[15], generation, acl, size_high, rest[4];
};

// The beginning of struct ext2_dir_entry; the name follows, as long as the lower byte says.
struct goldsmith_directory_entry {
    uint32_t inode;
    uint16_t length, name_length;
};

static const long goldsmith_ext2_io_channel = 2133571333;      // EXT2_ET_MAGIC_IO_CHANNEL
static const long goldsmith_ext2_io_manager = 2133571335;      // EXT2_ET_MAGIC_IO_MANAGER
static const long goldsmith_ext2_short_read = 2133571364;      // EXT2_ET_SHORT_READ
static const long goldsmith_ext2_no_directory = 2133571402;    // EXT2_ET_NO_DIRECTORY
static const long goldsmith_ext2_file_not_found = 2133571404;  // EXT2_ET_FILE_NOT_FOUND
