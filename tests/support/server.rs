//! A server on loopback that follows a script to the byte: what no HTTP library can be made to do.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

/// What a server does with a connection once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Sends this, and closes.
    Close(Bytes),
    /// Sends this, and resets.
    Reset(Bytes),
    /// Sends this, and says nothing more.
    Hang(Bytes),
    /// Sends the first, then the second for ever.
    Endless(Bytes, Bytes),
    /// Sends the first, then the second each time that the test says so.
    Drip(Bytes, Bytes),
}

pub(crate) fn close(bytes: impl Into<Bytes>) -> Then {
    Then::Close(bytes.into())
}

pub(crate) fn reset(bytes: impl Into<Bytes>) -> Then {
    Then::Reset(bytes.into())
}

pub(crate) fn hang(bytes: impl Into<Bytes>) -> Then {
    Then::Hang(bytes.into())
}

pub(crate) fn endless(first: impl Into<Bytes>, again: impl Into<Bytes>) -> Then {
    Then::Endless(first.into(), again.into())
}

pub(crate) fn drip(first: impl Into<Bytes>, again: impl Into<Bytes>) -> Then {
    Then::Drip(first.into(), again.into())
}

/// What happens on the connections, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request came: its head.
    Asked(String),
    /// All that there was to send now has been sent, and the connection is held open.
    Waiting,
    /// The connection is done with; so many bytes were sent on it.
    Closed(usize),
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedReceiver<Event>,
    drops: Arc<Semaphore>,
}

impl Server {
    /// A server that does the same with every request.
    pub(crate) async fn of(then: Then) -> Self {
        Self::start(move |_| then.clone()).await
    }

    /// A server that reads the head of a request, and then does what `script` says.
    pub(crate) async fn start(script: impl Fn(&str) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, events) = mpsc::unbounded_channel();
        let drops = Arc::new(Semaphore::new(0));
        let (script, more) = (Arc::new(script), Arc::clone(&drops));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (script, tell, more) = (Arc::clone(&script), tell.clone(), Arc::clone(&more));
                tokio::spawn(async move {
                    let mut connection = BufReader::new(connection);
                    let head = read(&mut connection).await;
                    let then = script(&head);
                    let _ = tell.send(Event::Asked(head));
                    let sent = answer(&mut connection, then, &tell, &more).await;
                    drop(connection);
                    let _ = tell.send(Event::Closed(sent));
                });
            }
        });
        Self { address, events, drops }
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Event::Asked(head) = self.event().await {
                return head;
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// What has happened already.
    pub(crate) fn try_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Whether no further request has come.
    pub(crate) fn is_quiet(&mut self) -> bool {
        std::iter::from_fn(|| self.try_event()).all(|event| !matches!(event, Event::Asked(_)))
    }

    /// Lets a [`Then::Drip`] send once more.
    pub(crate) fn drip(&self) {
        self.drops.add_permits(1);
    }
}

/// One request, body included: what is left unread would turn a close into a reset.
async fn read(connection: &mut BufReader<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        // A TLS greeting has no lines.
        match connection.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(greeting) if head.is_empty() && greeting[0] == 0x16 => break,
            Ok(_) => {}
        }
        if connection.read_until(b'\n', &mut head).await.is_err() {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    // Who breaks off is answered all the same.
    let _ = connection.read_exact(&mut body).await;
    head
}

async fn answer(
    connection: &mut BufReader<TcpStream>,
    then: Then,
    tell: &mpsc::UnboundedSender<Event>,
    more: &Semaphore,
) -> usize {
    let mut sent = 0;
    match then {
        Then::Close(bytes) => {
            send(connection, &bytes, &mut sent).await;
        }
        Then::Reset(bytes) => {
            send(connection, &bytes, &mut sent).await;
            // Without lingering a close is a reset.
            let _ = connection.get_ref().set_zero_linger();
        }
        Then::Hang(bytes) => {
            send(connection, &bytes, &mut sent).await;
            let _ = tell.send(Event::Waiting);
            let _ = connection.read_to_end(&mut Vec::new()).await;
        }
        Then::Endless(first, again) => {
            let mut going = send(connection, &first, &mut sent).await;
            while going {
                going = send(connection, &again, &mut sent).await;
            }
        }
        Then::Drip(first, again) => {
            send(connection, &first, &mut sent).await;
            loop {
                let _ = tell.send(Event::Waiting);
                let mut rest = [0; 64];
                tokio::select! {
                    permit = more.acquire() => permit.unwrap().forget(),
                    // The client has hung up.
                    _ = connection.read(&mut rest) => break,
                }
                send(connection, &again, &mut sent).await;
            }
        }
    }
    sent
}

/// Sends all of it, and counts what went; `false` when the client has hung up.
async fn send(connection: &mut BufReader<TcpStream>, bytes: &[u8], sent: &mut usize) -> bool {
    let mut left = bytes;
    while !left.is_empty() {
        match connection.write(left).await {
            Ok(count) if count > 0 => {
                *sent += count;
                left = &left[count..];
            }
            _ => return false,
        }
    }
    true
}
