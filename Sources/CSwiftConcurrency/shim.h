// The hook through which Swift's concurrency runtime lets a program decide where its jobs run. The runtime exports it
// as a symbol only. It is named here, not looked up while the program runs: a lookup does not find it in a program
// that has the runtime linked into it.
extern void *swift_task_enqueueGlobal_hook;

static inline void **goldsmith_enqueue_hook(void) { return &swift_task_enqueueGlobal_hook; }
