//! A program on Windows: a job object that ends all its processes, and a thread for each pipe, since a pipe cannot be polled.

use std::io::{self, Read};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use process_wrap::std::{ChildWrapper, CommandWrap, JobObject};
use zeroize::Zeroizing;

use super::Output;

/// The wait for a pipe's end after the program's. Who inherited the pipe may hold it open.
const QUIET: Duration = Duration::from_millis(200);

enum Part {
    Stdout(Zeroizing<Vec<u8>>),
    Stderr(Zeroizing<Vec<u8>>),
}

pub(super) struct Running {
    child: Box<dyn ChildWrapper>,
    parts: Receiver<Part>,
}

impl Running {
    pub(super) fn start(command: Command) -> io::Result<Self> {
        let mut wrapped = CommandWrap::from(command);
        wrapped.wrap(JobObject);
        let mut child = wrapped.spawn()?;
        let (sender, parts) = sync_channel(4);
        let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
        let mut running = Self { child, parts };
        let started =
            forward(stdout, sender.clone(), Part::Stdout).and_then(|()| forward(stderr, sender, Part::Stderr));
        if let Err(error) = started {
            running.kill();
            return Err(error);
        }
        Ok(running)
    }

    /// Waits for output, for `slice` at most, and takes it.
    pub(super) fn read(&mut self, slice: Duration, output: &mut Output) {
        match self.parts.recv_timeout(slice) {
            Ok(part) => push(part, output),
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed, and there is nothing to wait for but the program's end.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(slice),
        }
    }

    /// Takes the rest.
    pub(super) fn read_rest(&mut self, output: &mut Output) {
        while !output.is_too_large() {
            let Ok(part) = self.parts.recv_timeout(QUIET) else { return };
            push(part, output);
        }
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        // The program's own end, not that of the whole job.
        self.child.inner_mut().try_wait()
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.start_kill();
        let _ = self.child.wait();
    }
}

fn push(part: Part, output: &mut Output) {
    match part {
        Part::Stdout(bytes) => output.push_stdout(&bytes),
        Part::Stderr(bytes) => output.push_stderr(&bytes),
    }
}

/// Reads a pipe to its end, on a thread of its own. The thread ends when nobody takes what it reads.
fn forward(
    pipe: Option<impl Read + Send + 'static>,
    parts: SyncSender<Part>,
    part: fn(Zeroizing<Vec<u8>>) -> Part,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let read = move || {
        let mut chunk = Zeroizing::new([0; 4096]);
        while let Ok(length @ 1..) = pipe.read(&mut *chunk) {
            if parts.send(part(Zeroizing::new(chunk[..length].to_vec()))).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("alibaba-pipe".to_owned()).spawn(read).map(drop)
}
