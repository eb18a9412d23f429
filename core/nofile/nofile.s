// Empty: it lets nofile.go declare a function without a body.
