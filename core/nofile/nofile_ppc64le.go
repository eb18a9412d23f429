package nofile

const sysPrlimit64 = 325 // __NR_prlimit64
