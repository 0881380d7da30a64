module ottla/compat/history

go 1.26.0
