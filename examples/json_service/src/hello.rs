//! An axum router on the loop: `cargo run -p nodeloop-json-service --bin nodeloop-axum-hello`.
use axum::{Router, routing::get};
use nodeloop::{hyper::serve, net::TcpListener};

fn main() -> std::io::Result<()> {
    nodeloop::run(async {
        let router = Router::new().route("/", get(async || "Hello, World!\n"));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        serve(listener, router).await
    })
}
