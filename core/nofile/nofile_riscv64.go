package nofile

const sysPrlimit64 = 261 // __NR_prlimit64
