//! A real pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A program on a terminal.
pub(crate) struct Terminal {
    side: File,
    pub(crate) child: Child,
}

impl Terminal {
    /// Starts `command` with all three standard streams on a terminal of `columns`.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let side: OwnedFd = openpt(flags).unwrap();
        grantpt(&side).unwrap();
        unlockpt(&side).unwrap();
        let name = ptsname(&side, Vec::new()).unwrap().into_string().unwrap();
        let open = || {
            let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(&name).unwrap()
        };
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&side, size).unwrap();
        command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap();
        // The command holds the other side; with it gone, the end of the child is the end of the output.
        drop(command);
        Self { side: File::from(side), child }
    }

    pub(crate) fn send(&mut self, keys: &str) {
        self.side.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the program has turned the echo off, as it does before it reads a secret.
    pub(crate) fn wait_for_no_echo(&self) {
        while tcgetattr(&self.side).unwrap().local_modes.contains(LocalModes::ECHO) {
            std::thread::yield_now();
        }
    }

    /// Reads until the output holds `text`.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        while !String::from_utf8_lossy(&seen).contains(text) {
            let count = self.side.read(&mut buffer).unwrap_or(0);
            assert_ne!(count, 0, "it ended with {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(seen).unwrap()
    }

    /// Reads the rest of the output, and the exit code.
    pub(crate) fn end(mut self) -> (String, Option<i32>) {
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        // The end of a terminal is an error.
        while let Ok(count) = self.side.read(&mut buffer)
            && count > 0
        {
            seen.extend_from_slice(&buffer[..count]);
        }
        let status = self.child.wait().unwrap();
        (String::from_utf8(seen).unwrap().replace("\r\n", "\n"), status.code())
    }
}

/// Runs `command` to its end on a terminal of `columns`.
pub(crate) fn run(command: Command, columns: u16) -> (String, Option<i32>) {
    Terminal::start(command, columns).end()
}

/// The text without its ANSI colors.
pub(crate) fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}
