package nofile

const sysPrlimit64 = 334 // __NR_prlimit64
