package nofile

const sysPrlimit64 = 369 // __NR_prlimit64
