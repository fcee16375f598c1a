"""Git: `commands` runs the command line, `objects` reads and writes trees and commits with libgit2."""
