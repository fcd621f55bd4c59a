package cli

import (
	"bufio"
	"fmt"
	"strings"
)

// Asks reports whether somebody is at the terminal who can be asked.
func (s Streams) Asks() bool { return TerminalReader(s.In) && Terminal(s.Err) }

// Confirm asks the person at the terminal, once; only y and yes agree.
func (s Streams) Confirm(question string) bool {
	_, _ = fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // what cannot be read does not agree
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
