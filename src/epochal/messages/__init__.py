"""What people write and read: arguments that are checked, mistakes that are explained, lines that are printed."""
