package nofile

const sysPrlimit64 = 302 // __NR_prlimit64
