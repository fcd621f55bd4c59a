// Package fetch reads a feed from where it is: a local file, a web server, an SFTP server or
// a bucket that speaks the protocol of S3.
//
// A fetch is whole or it is an error: content comes into a temporary file, its length is
// compared with what the source announced, and a File is returned only when all of it is
// there. After any error the feed counts as unread, and nothing may be deleted because of it.
//
// Passwords, keys, header values and the parameters of addresses are in no error and in no
// text of this package.
package fetch
