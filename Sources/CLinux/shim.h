// Linux's own calls, which Swift's module of glibc leaves out.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc declares these only where everything sees _GNU_SOURCE.
extern int sync_file_range(int descriptor, int64_t offset, int64_t count, unsigned int flags);
extern int memfd_create(const char *name, unsigned int flags);
extern int pthread_setattr_default_np(const pthread_attr_t *attributes);

static const unsigned int goldsmith_memory_file_flags = 1; // MFD_CLOEXEC
static const unsigned int goldsmith_write_out_begin = 2; // SYNC_FILE_RANGE_WRITE
static const unsigned int goldsmith_write_out_wait = 7;  // …_WAIT_BEFORE, …_WRITE and …_WAIT_AFTER

#if defined(__x86_64__)
#define GOLDSMITH_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define GOLDSMITH_MACHINE AUDIT_ARCH_AARCH64
#endif

// From here on, and for good, every thread of this process can read, write and close what is open, use memory that is
// not executable, wait, and end. Any other call fails with EPERM: no file, socket, process or signal. (glibc's fstat may be
// newfstatat, which could be given a path: it says how large a file is, and opens none.) Not 0: it failed.
static inline int goldsmith_seal_this_process(void) {
#if defined(GOLDSMITH_MACHINE)
#define GOLDSMITH_ALLOW(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
// Allowed unless its third argument asks for memory to be executed.
#define GOLDSMITH_ALLOW_DATA(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 4), \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])), \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
// Allowed with this bit in its fourth argument.
#define GOLDSMITH_ALLOW_WITH(call, bit) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 4), \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])), \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit, 1, 0), \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GOLDSMITH_MACHINE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        GOLDSMITH_ALLOW(read), GOLDSMITH_ALLOW(write), GOLDSMITH_ALLOW(pread64), GOLDSMITH_ALLOW(pwrite64),
        GOLDSMITH_ALLOW(lseek), GOLDSMITH_ALLOW(fstat), GOLDSMITH_ALLOW_WITH(newfstatat, 0x1000 /* AT_EMPTY_PATH */), GOLDSMITH_ALLOW(close),
        GOLDSMITH_ALLOW_DATA(mmap), GOLDSMITH_ALLOW_DATA(mprotect),
        GOLDSMITH_ALLOW(munmap), GOLDSMITH_ALLOW(mremap), GOLDSMITH_ALLOW(madvise), GOLDSMITH_ALLOW(brk),
        GOLDSMITH_ALLOW(futex), GOLDSMITH_ALLOW(epoll_pwait), GOLDSMITH_ALLOW(ppoll),
        GOLDSMITH_ALLOW(clock_gettime), GOLDSMITH_ALLOW(getrandom), GOLDSMITH_ALLOW(sched_yield),
        GOLDSMITH_ALLOW(rt_sigaction), GOLDSMITH_ALLOW(rt_sigprocmask), GOLDSMITH_ALLOW(rt_sigreturn),
        GOLDSMITH_ALLOW(exit), GOLDSMITH_ALLOW(exit_group),
#if defined(__x86_64__)
        GOLDSMITH_ALLOW(epoll_wait), GOLDSMITH_ALLOW(poll),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
#undef GOLDSMITH_ALLOW
#undef GOLDSMITH_ALLOW_DATA
#undef GOLDSMITH_ALLOW_WITH
    struct sock_fprog filter = {sizeof steps / sizeof steps[0], steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
#else
    return -1;
#endif
}
