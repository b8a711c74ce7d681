// What is used of libguestfs's C interface, which is stable for good (guestfs(3), "ABI guarantee"). Declared here and
// looked up while the program runs, so that neither building nor starting Goldsmith needs libguestfs.
#include <stddef.h>
#include <stdint.h>

// struct guestfs_add_drive_opts_argv; a field counts only where its bit in `bitmask` is set.
struct goldsmith_add_drive {
    uint64_t bitmask;
    int readonly;        // bit 0
    const char *format;  // bit 1
    void *unused[16];
};

// The beginning of struct guestfs_statns.
struct goldsmith_statns {
    int64_t device, inode, mode, links, user, group, special_device, size;
};
