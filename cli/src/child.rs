//! A command that runs while this program serves it: signals are passed on, and its exit code is this program's.

use std::future::Future;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::failure::Failure;

/// Exit codes of a command that did not start, as shells and env(1) have them.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Runs the command to its end.
pub(crate) async fn run(command: Command) -> Result<u8, Failure> {
    // Before the command starts, so that no signal is missed.
    let mut signals = signals::Signals::listen()?;
    let mut command = tokio::process::Command::from(command);
    let mut child = command.spawn().map_err(|error| not_started(command.as_std(), &error))?;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map(code).map_err(|error| not_started(command.as_std(), &error));
            }
            signal = signals.next() => {
                // The process is not waited for meanwhile, so its number is still its own.
                if let Some(id) = child.id() {
                    signals::pass_on(signal, id);
                }
            }
        }
    }
}

pub(crate) fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    Failure::new(code, format!("{} cannot be run: {error}", Path::new(command.get_program()).display()))
}

/// The exit code as shells have it: 128 and the number of the signal that ended it.
#[cfg(unix)]
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Resolves when the program is told to end. Listens from now on.
pub(crate) fn end_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut signals = signals::Signals::listen()?;
    Ok(async move { while !signals::is_end(signals.next().await) {} })
}

#[cfg(unix)]
mod signals {
    use std::io::{stderr, stdin, stdout};
    use std::os::fd::AsFd;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::mpsc;

    use crate::exit;
    use crate::failure::Failure;

    /// Those that have a meaning for programs and can be caught.
    const KINDS: [(Signal, fn() -> SignalKind); 6] = [
        (Signal::INT, SignalKind::interrupt),
        (Signal::QUIT, SignalKind::quit),
        (Signal::TERM, SignalKind::terminate),
        (Signal::HUP, SignalKind::hangup),
        (Signal::USR1, SignalKind::user_defined1),
        (Signal::USR2, SignalKind::user_defined2),
    ];

    pub(super) struct Signals(mpsc::Receiver<Signal>);

    impl Signals {
        pub(super) fn listen() -> Result<Self, Failure> {
            let (sender, receiver) = mpsc::channel(16);
            for (number, kind) in KINDS {
                let listening = signal(kind());
                let mut stream = listening
                    .map_err(|error| Failure::new(exit::SOFTWARE, format!("signals cannot be listened to: {error}")))?;
                let sender = sender.clone();
                tokio::spawn(
                    async move { while stream.recv().await.is_some() && sender.send(number).await.is_ok() {} },
                );
            }
            Ok(Self(receiver))
        }

        pub(super) async fn next(&mut self) -> Signal {
            match self.0.recv().await {
                Some(signal) => signal,
                // The streams end with the runtime.
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn is_end(signal: Signal) -> bool {
        [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].contains(&signal)
    }

    /// Keys of the terminal reach the command by themselves, since it is in the same process group.
    pub(super) fn pass_on(signal: Signal, process: u32) {
        let of_keys = [Signal::INT, Signal::QUIT].contains(&signal);
        if of_keys && is_in_foreground() {
            return;
        }
        if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            // It may have ended just now.
            let _ = kill_process(pid, signal);
        }
    }

    fn is_in_foreground() -> bool {
        let of = |stream: &dyn AsFd| tcgetpgrp(stream.as_fd()).is_ok_and(|group| group == getpgrp());
        of(&stdin()) || of(&stdout()) || of(&stderr())
    }
}

#[cfg(not(unix))]
mod signals {
    use crate::failure::Failure;

    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> Result<Self, Failure> {
            Ok(Self)
        }

        /// Ctrl-C, which reaches the command by itself.
        pub(super) async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }
    }

    pub(super) fn is_end((): ()) -> bool {
        true
    }

    pub(super) fn pass_on((): (), _: u32) {}
}
