package names

import "golang.org/x/sys/unix"

// Memory, signals, clocks and what else has flags.
var (
	prots = Set{"prot", "PROT_???", 0, List{}, List{Names: []Name{{0, "PROT_NONE"}, {1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}, {8, "PROT_SEM"},
		{unix.PROT_GROWSDOWN, "PROT_GROWSDOWN"}, {unix.PROT_GROWSUP, "PROT_GROWSUP"}}}}
	maps = Set{"map", "MAP_???", 0xf, List{Words: "MAP_FILE MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE"}, List{Names: []Name{
		{unix.MAP_FIXED, "MAP_FIXED"}, {unix.MAP_ANONYMOUS, "MAP_ANONYMOUS"}, {map32Bit, "MAP_32BIT"}, {unix.MAP_NORESERVE, "MAP_NORESERVE"}, {unix.MAP_POPULATE, "MAP_POPULATE"},
		{unix.MAP_NONBLOCK, "MAP_NONBLOCK"}, {unix.MAP_GROWSDOWN, "MAP_GROWSDOWN"}, {unix.MAP_DENYWRITE, "MAP_DENYWRITE"}, {unix.MAP_EXECUTABLE, "MAP_EXECUTABLE"},
		{unix.MAP_LOCKED, "MAP_LOCKED"}, {unix.MAP_STACK, "MAP_STACK"}, {unix.MAP_HUGETLB, "MAP_HUGETLB"}, {0x80000, "MAP_SYNC"}, {unix.MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"}}}}
	mremaps = Set{"mremap", "MREMAP_???", 0, List{}, List{Words: "MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP"}}
	mlocks  = Set{"mlockall", "MCL_???", 0, List{}, List{Words: "MCL_CURRENT MCL_FUTURE MCL_ONFAULT"}}
	msyncs  = Set{"msync", "MS_???", 0, List{}, List{Names: []Name{{4, "MS_SYNC"}, {1, "MS_ASYNC"}, {2, "MS_INVALIDATE"}}}}
	madvise = Set{"madvise", "MADV_???", all, List{
		Words: "MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED - - - MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE"}, List{}}
	mbinds   = Set{"mbind", "MPOL_MF_???", 0, List{}, List{Words: "MPOL_MF_STRICT MPOL_MF_MOVE MPOL_MF_MOVE_ALL"}}
	barriers = Set{"membarrier", "MEMBARRIER_CMD_???", all, List{Names: []Name{{0, "MEMBARRIER_CMD_QUERY"}, {1, "MEMBARRIER_CMD_GLOBAL"}, {8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"}, {16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"}}}, List{}}
	futexes  = Set{"futex", "FUTEX_???", 0x7f, List{
		Words: "FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI"},
		List{First: 7, Words: "FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME"}}
	randoms = Set{"getrandom", "GRND_???", 0, List{}, List{Words: "GRND_NONBLOCK GRND_RANDOM GRND_INSECURE"}}
	clocks  = Set{"clock", "CLOCK_???", all, List{
		Words: "CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM - CLOCK_TAI"}, List{}}
	timers  = Set{"timer", "TIMER_???", 0, List{}, List{Words: "TIMER_ABSTIME"}}
	itimers = Set{"itimer", "ITIMER_???", all, List{Words: "ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF"}, List{}}

	sigHows    = Set{"sighow", "SIG_???", all, List{Words: "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK"}, List{}}
	sigActions = Set{"saflags", "SA_???", 0, List{}, List{Names: []Name{{0x04000000, "SA_RESTORER"}, {0x08000000, "SA_ONSTACK"}, {0x10000000, "SA_RESTART"},
		{1, "SA_NOCLDSTOP"}, {2, "SA_NOCLDWAIT"}, {4, "SA_SIGINFO"}, {0x40000000, "SA_NODEFER"}, {0x80000000, "SA_RESETHAND"}}}}
	sigStacks = Set{"ssflags", "SS_???", 0, List{}, List{Names: []Name{{1, "SS_ONSTACK"}, {2, "SS_DISABLE"}, {0x80000000, "SS_AUTODISARM"}}}}
	// The codes of siginfo_t, sigaction(2): those of every signal, then those of one.
	sigCodes = Set{"sicode", "SI_???", all, List{Names: []Name{
		{0x80, "SI_KERNEL"}, {0xffffffff, "SI_QUEUE"}, {0xfffffffe, "SI_TIMER"}, {0xfffffffd, "SI_MESGQ"}, {0xfffffffc, "SI_ASYNCIO"},
		{0xfffffffb, "SI_SIGIO"}, {0xfffffffa, "SI_TKILL"}}, Words: "SI_USER"}, List{}}
	illCodes  = Set{"si-SIGILL", "ILL_???", all, List{First: 1, Words: "ILL_ILLOPC ILL_ILLOPN ILL_ILLADR ILL_ILLTRP ILL_PRVOPC ILL_PRVREG ILL_COPROC ILL_BADSTK"}, List{}}
	fpeCodes  = Set{"si-SIGFPE", "FPE_???", all, List{First: 1, Words: "FPE_INTDIV FPE_INTOVF FPE_FLTDIV FPE_FLTOVF FPE_FLTUND FPE_FLTRES FPE_FLTINV FPE_FLTSUB"}, List{}}
	segvCodes = Set{"si-SIGSEGV", "SEGV_???", all, List{First: 1, Words: "SEGV_MAPERR SEGV_ACCERR SEGV_BNDERR SEGV_PKUERR"}, List{}}
	busCodes  = Set{"si-SIGBUS", "BUS_???", all, List{First: 1, Words: "BUS_ADRALN BUS_ADRERR BUS_OBJERR BUS_MCEERR_AR BUS_MCEERR_AO"}, List{}}
	trapCodes = Set{"si-SIGTRAP", "TRAP_???", all, List{First: 1, Words: "TRAP_BRKPT TRAP_TRACE TRAP_BRANCH TRAP_HWBKPT TRAP_UNK"}, List{}}
	cldCodes  = Set{"si-SIGCHLD", "CLD_???", all, List{First: 1, Words: "CLD_EXITED CLD_KILLED CLD_DUMPED CLD_TRAPPED CLD_STOPPED CLD_CONTINUED"}, List{}}
	pollCodes = Set{"si-SIGIO", "POLL_???", all, List{First: 1, Words: "POLL_IN POLL_OUT POLL_MSG POLL_ERR POLL_PRI POLL_HUP"}, List{}}
	sysCodes  = Set{"si-SIGSYS", "SYS_???", all, List{First: 1, Words: "SYS_SECCOMP SYS_USER_DISPATCH"}, List{}}
	ipcs      = Set{"ipcget", "IPC_???", 0, List{}, List{Names: []Name{{0o1000, "IPC_CREAT"}, {0o2000, "IPC_EXCL"}, {0o4000, "IPC_NOWAIT"}}}}
	ipcCmds   = Set{"ipccmd", "IPC_???", all, List{Words: "IPC_RMID IPC_SET IPC_STAT IPC_INFO - - - - - - - GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL"}, List{}}
)
