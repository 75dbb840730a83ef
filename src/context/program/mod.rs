//! Runs a program for its output: with bounds on time and output, and never a shell.
//!
//! The program runs in a process group of its own (on Windows in a job), so that what it started ends with it. The thread that
//! watches it is a worker of the crate's own: neither a refresh elsewhere nor the timekeeper waits for it.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

#[cfg(unix)]
use self::unix::Running;
#[cfg(windows)]
use self::windows::Running;
use super::{Context, Executor, first};

/// The most that a program may print on standard output.
const MOST_OUTPUT: usize = 64 * 1024;
/// The part of standard error that is kept: its end, where a program says why it gives up.
const KEPT_ERROR: usize = 2 * 1024;
/// The longest wait for output before the end of the program and its limit are looked at again.
const SLICE: Duration = Duration::from_millis(20);
/// The longest wait for the end of a program that was killed. One that hangs in the kernel ends when the kernel lets it.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A program and its whole environment.
#[derive(Clone)]
pub(crate) struct Program {
    /// The program and its arguments; the first one is looked up in the environment's `PATH` if it has no separator.
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
}

/// A program that ended by itself.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Zeroizing<Vec<u8>>,
    /// The end of it.
    pub(crate) stderr: Zeroizing<Vec<u8>>,
}

/// The reason why a program gave no output.
#[derive(Debug)]
pub(crate) enum ProgramError {
    NotStarted(io::Error),
    TooMuchOutput,
    TimedOut,
    /// Its end could not be seen: the process reaps children elsewhere, or no thread could be started.
    Lost,
}

/// The output so far, within bounds.
struct Output {
    stdout: Zeroizing<Vec<u8>>,
    stderr: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Program {
    /// Arguments and variables may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("argv[0]", &self.argv.first()).finish_non_exhaustive()
    }
}

/// Ends a program whose result nobody waits for any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Context {
    /// Runs `program` until it ends, for at most `limit` by the context's clock. Then, or when this future is dropped, it and
    /// all that it started in its process group is killed.
    pub(crate) async fn run_program(&self, program: Program, limit: Duration) -> Result<Ended, ProgramError> {
        let stop = Arc::new(AtomicBool::new(false));
        let guard = StopOnDrop(Arc::clone(&stop));
        let (done, mut result) = oneshot::channel();
        Executor::Pool.spawn(Box::pin(async move {
            let _ = done.send(run(&program, &stop));
        }));
        if let Some(result) = first(&mut result, self.sleep(limit)).await {
            return result.unwrap_or(Err(ProgramError::Lost));
        }
        drop(guard);
        // A result that came at the last moment counts; otherwise this is the wait until the program is gone.
        match first(result, self.sleep(LAST_WAIT)).await {
            Some(Ok(result)) => result,
            _ => Err(ProgramError::TimedOut),
        }
    }
}

fn run(program: &Program, stop: &AtomicBool) -> Result<Ended, ProgramError> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(ProgramError::NotStarted(io::ErrorKind::InvalidInput.into()));
    };
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(program.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command).map_err(ProgramError::NotStarted)?;
    let mut output = Output {
        stdout: Zeroizing::new(Vec::with_capacity(MOST_OUTPUT + 1)),
        stderr: Zeroizing::new(Vec::with_capacity(2 * KEPT_ERROR)),
    };
    loop {
        if stop.load(Ordering::Acquire) {
            running.kill();
            return Err(ProgramError::TimedOut);
        }
        running.read(SLICE, &mut output);
        let ended = running.try_wait();
        if matches!(ended, Ok(Some(_))) {
            // All that the program itself wrote is there; who holds its pipes open beyond its end is not waited for.
            running.read_rest(&mut output);
        }
        if output.is_too_large() {
            if matches!(ended, Ok(None)) {
                running.kill();
            }
            return Err(ProgramError::TooMuchOutput);
        }
        match ended {
            Ok(Some(status)) => return Ok(Ended { status, stdout: output.stdout, stderr: output.stderr }),
            Ok(None) => {}
            Err(_) => return Err(ProgramError::Lost),
        }
    }
}

impl Output {
    fn push_stdout(&mut self, bytes: &[u8]) {
        let room = (MOST_OUTPUT + 1).saturating_sub(self.stdout.len());
        self.stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn push_stderr(&mut self, bytes: &[u8]) {
        let end = &bytes[bytes.len().saturating_sub(KEPT_ERROR)..];
        let over = (self.stderr.len() + end.len()).saturating_sub(KEPT_ERROR);
        self.stderr.drain(..over);
        self.stderr.extend_from_slice(end);
    }

    fn is_too_large(&self) -> bool {
        self.stdout.len() > MOST_OUTPUT
    }
}

/// The end of a program in words: `exit status 3`, `signal 9 (SIGKILL)`.
pub(crate) fn ending(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return unix::signal_name(signal)
            .map_or_else(|| format!("signal {signal}"), |name| format!("signal {signal} ({name})"));
    }
    status.code().map_or_else(|| "no exit status".to_owned(), |code| format!("exit status {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_standard_error_the_end_is_kept_and_of_standard_output_no_more_than_shows_that_it_is_too_much() {
        let mut output = Output { stdout: Zeroizing::default(), stderr: Zeroizing::default() };
        for part in 0..100_u8 {
            output.push_stderr(&[part; 100]);
            output.push_stdout(&[part; 1000]);
        }
        assert_eq!((output.stderr.len(), output.stderr[0], output.stderr[KEPT_ERROR - 1]), (KEPT_ERROR, 79, 99));
        assert_eq!(output.stdout.len(), MOST_OUTPUT + 1);
        assert!(output.is_too_large());
        output.push_stderr(&[7; 3 * KEPT_ERROR]);
        assert_eq!(output.stderr.len(), KEPT_ERROR);
    }
}
