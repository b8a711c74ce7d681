// The structures of libvirt's C interface, which only ever grows (libvirt.so.0 since 2005). Declared here, and its
// functions are looked up while the program runs, so that neither building nor starting Goldsmith needs libvirt.
#include <stddef.h>
#include <sys/prctl.h>

// struct _virError
struct goldsmith_vir_error {
    int code;
    int domain;
    char *message;
    int level;
    void *connection, *about;
    char *text1, *text2, *text3;
    int number1, number2;
    void *network;
};

// struct _virDomainBlockInfo
struct goldsmith_vir_block_info {
    unsigned long long capacity, allocation, physical;
};

// struct _virStorageVolInfo
struct goldsmith_vir_volume_info {
    int type;
    unsigned long long capacity, allocation;
};

// prctl is variadic, which Swift does not import. The kernel keeps 15 characters.
static inline void goldsmith_name_this_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
