package main

import (
	"fmt"
	"time"
)

func megabytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

// seconds writes a time for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
