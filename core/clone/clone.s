// Empty: it lets fork.go declare functions without a body.
