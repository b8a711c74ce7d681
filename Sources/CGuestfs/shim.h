// What is used of libguestfs's C interface, which is stable for good (guestfs(3), "ABI guarantee"). Declared here and
// looked up while the program runs, so that neither building nor starting Goldsmith needs libguestfs.
#include <stddef.h>
#include <stdint.h>

// struct guestfs_add_drive_opts_argv; a field counts only where its bit in `bitmask` is set.
struct goldsmith_add_drive {
    uint64_t bitmask;
    int readonly;        // bit 0
    const char *format;  // bit 1
    const char *interface, *name, *label;
    const char *protocol;  // bit 5
    char *const *server;   // bit 6
    const char *user, *secret, *cache;
    const char *discard;   // bit 10
    void *unused[16];
};

// The beginning of struct guestfs_statns.
struct goldsmith_statns {
    int64_t device, inode, mode, links, user, group, special_device, size;
};

// struct guestfs_glob_expand_opts_argv and struct guestfs_set_e2attrs_argv: one flag, bit 0.
struct goldsmith_flag {
    uint64_t bitmask;
    int value;
};

// struct guestfs_mkswap_opts_argv
struct goldsmith_swap {
    uint64_t bitmask;
    const char *label;  // bit 0
    const char *uuid;   // bit 1
};

// struct guestfs_fstrim_argv, of which nothing is set.
struct goldsmith_trim {
    uint64_t bitmask;
    int64_t offset, length, minimum;
};

// struct guestfs_lvm_lv
struct goldsmith_logical_volume {
    char *name;
    char uuid[32];  // not terminated
    char *attributes;
    int64_t major, minor, kernel_major, kernel_minor;
    uint64_t size;
    int64_t segments;
    char *origin;
    float snapshot_percent, copy_percent;
    char *moved_from, *tags, *mirror_log, *modules;
};

// struct guestfs_lvm_lv_list
struct goldsmith_logical_volumes {
    uint32_t count;
    struct goldsmith_logical_volume *elements;
};

// struct guestfs_lvm_vg
struct goldsmith_volume_group {
    char *name;
    char uuid[32];  // not terminated
    char *format, *attributes;
    uint64_t size, free;
    char *system;
    uint64_t extent_size;
    int64_t extents, free_extents, volume_limit, device_limit, devices, volumes, snapshots, sequence;
    char *tags;
    uint64_t metadata_areas, metadata_free;
};

// struct guestfs_lvm_vg_list
struct goldsmith_volume_groups {
    uint32_t count;
    struct goldsmith_volume_group *elements;
};
