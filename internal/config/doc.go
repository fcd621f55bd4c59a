// Package config reads courier.yaml: strictly, with every problem reported at
// once, and with the precedence flag, environment, file, default.
package config
