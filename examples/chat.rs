//! A chat over TCP: every line that a client sends goes to all clients.
//!
//! A client that is silent for a minute is disconnected. Ctrl-C ends the server after it has said
//! goodbye. `cargo run --example chat -- 127.0.0.1:7000` starts it, `nc 127.0.0.1 7000` joins.
//!
//! Run: by hand, because it serves until Ctrl-C

use std::{cell::RefCell, collections::BTreeMap, io, net::SocketAddr, pin::pin, rc::Rc};

use nodeloop::futures::{future, io::BufReader};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::{prelude::*, signal};

const IDLE: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(5);

/// What is sent to each client.
type Room = Rc<RefCell<BTreeMap<SocketAddr, mpsc::UnboundedSender<String>>>>;

#[nodeloop::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, signal::ctrl_c()).await
}

/// Serves clients until `quit` is ready.
pub async fn serve(listener: TcpListener, quit: impl Future) -> io::Result<()> {
    let (room, mut clients) = (Room::default(), TaskGroup::new());
    let mut quit = pin!(quit.fuse());
    loop {
        select_biased! {
            _ = quit => break,
            accepted = listener.accept().fuse() => {
                let (stream, name) = accepted?;
                clients.spawn(serve_client(stream, name, room.clone()));
            }
        }
        while clients.try_join_next().is_some() {} // forgets those that have left
    }
    say(&room, "the server stops");
    room.borrow_mut().clear(); // each client ends after its last line
    let _ = timeout(GOODBYE, clients.join_all()).await;
    Ok(())
}

async fn serve_client(stream: TcpStream, name: SocketAddr, room: Room) {
    let (sender, mut to_send) = mpsc::unbounded();
    room.borrow_mut().insert(name, sender);
    say(&room, &format!("{name} joins"));
    let reading = async {
        let silent = |_| io::Error::other("silent for a minute");
        let mut lines = BufReader::new(&stream).lines();
        while let Some(line) = timeout(IDLE, lines.next()).await.map_err(silent)? {
            say(&room, &format!("{name}: {}", line?));
        }
        io::Result::Ok(())
    };
    let writing = async {
        while let Some(line) = to_send.next().await {
            (&stream).write_all(line.as_bytes()).await?;
        }
        io::Result::Ok(())
    };
    let ended = future::select(pin!(reading), pin!(writing))
        .await
        .factor_first()
        .0;
    room.borrow_mut().remove(&name);
    let reason = ended.map_or_else(|error| format!(": {error}"), |()| String::new());
    say(&room, &format!("{name} leaves{reason}"));
}

fn say(room: &Room, text: &str) {
    (room.borrow().values()).for_each(|client| _ = client.unbounded_send(format!("{text}\n")));
}
