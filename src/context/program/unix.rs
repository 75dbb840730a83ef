//! A program on Unix: a process group of its own, and pipes that are read without blocking.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::Output;

/// The pause before the first look for the end of a program that has closed its pipes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Read from one pipe at a time: a program that never stops writing to it must not keep its limit from being looked at.
const CHUNKS: usize = 16;

pub(super) struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    pause: Duration,
}

impl Running {
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let running = Self { child, stdout, stderr, pause: SHORTEST_PAUSE };
        match running.unblock() {
            Ok(()) => Ok(running),
            Err(error) => {
                let mut running = running;
                running.kill();
                Err(error)
            }
        }
    }

    fn unblock(&self) -> io::Result<()> {
        if let Some(pipe) = &self.stdout {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        if let Some(pipe) = &self.stderr {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(())
    }

    /// Waits for output, for `slice` at most, and reads what is there.
    pub(super) fn read(&mut self, slice: Duration, output: &mut Output) {
        let pipes = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let mut watched: Vec<PollFd<'_>> =
            pipes.into_iter().flatten().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)).collect();
        let mut wait = slice;
        if watched.is_empty() {
            // A program mostly ends right after its pipes; one that does not is looked at less and less often.
            wait = self.pause;
            self.pause = (self.pause * 2).min(slice);
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        // Interrupted by a signal, it is called again by the loop of the caller.
        let _ = poll(&mut watched, Some(&timeout));
        self.read_rest(output);
    }

    /// Reads what is there.
    pub(super) fn read_rest(&mut self, output: &mut Output) {
        read_from(&mut self.stdout, |bytes| output.push_stdout(bytes));
        read_from(&mut self.stderr, |bytes| output.push_stderr(bytes));
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills the whole group and reaps the program. It has not been reaped before, so its id is nobody else's.
    pub(super) fn kill(&mut self) {
        match i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            Some(group) if kill_process_group(group, Signal::KILL).is_ok() => {}
            _ => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}

/// Reads until there is nothing more for now; a pipe at its end is closed.
fn read_from(pipe: &mut Option<impl Read>, mut push: impl FnMut(&[u8])) {
    let mut chunk = Zeroizing::new([0; 4096]);
    for _ in 0..CHUNKS {
        let Some(open) = pipe else { return };
        match open.read(&mut *chunk) {
            Ok(0) => *pipe = None,
            Ok(length) => push(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => *pipe = None,
        }
    }
}

/// The names of the signals that programs die by, where all systems agree on the number.
pub(super) fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}
