"""Files by name: a registry with addresses and checksums, the places where they are looked for, downloads."""
