package nofile

const sysPrlimit64 = 340 // __NR_prlimit64
