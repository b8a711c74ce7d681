// Linux's own calls, which Swift's module of glibc leaves out.
#include <pthread.h>
#include <stdint.h>

// glibc declares these only where everything sees _GNU_SOURCE.
extern int sync_file_range(int descriptor, int64_t offset, int64_t count, unsigned int flags);
extern int pthread_setattr_default_np(const pthread_attr_t *attributes);

static const unsigned int goldsmith_write_out_begin = 2; // SYNC_FILE_RANGE_WRITE
static const unsigned int goldsmith_write_out_wait = 7;  // …_WAIT_BEFORE, …_WRITE and …_WAIT_AFTER
