// Empty: it lets spawn.go declare functions without a body.
