//! A JSON service for tasks, with axum: `cargo run -p nodeloop-json-service -- 127.0.0.1:8080`.
//!
//! ```text
//! curl -H 'content-type: application/json' -d '{"title": "write a guide"}' 127.0.0.1:8080/tasks
//! curl 127.0.0.1:8080/tasks
//! curl -X PUT -H 'content-type: application/json' -d 'true' 127.0.0.1:8080/tasks/1/done
//! curl -X DELETE 127.0.0.1:8080/tasks/1
//! ```
//!
//! Ctrl-C lets open requests finish and ends the program. The tasks need no lock, because all handlers
//! run on one thread. axum requires state that is `Send`, which `Local` provides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use nodeloop::hyper::{Local, serve};
use nodeloop::net::TcpListener;
use nodeloop::signal::ctrl_c;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    #[serde(default)]
    id: u64,
    title: String,
    #[serde(default)]
    done: bool,
}

type Tasks = State<Local<Rc<RefCell<BTreeMap<u64, Task>>>>>;

async fn list(State(tasks): Tasks) -> Json<Vec<Task>> {
    Json(tasks.borrow().values().cloned().collect())
}

async fn add(State(tasks): Tasks, Json(mut task): Json<Task>) -> (StatusCode, Json<Task>) {
    let mut tasks = tasks.borrow_mut();
    task.id = tasks.last_key_value().map_or(0, |(id, _)| *id) + 1;
    tasks.insert(task.id, task.clone());
    (StatusCode::CREATED, Json(task))
}

async fn mark(
    State(tasks): Tasks,
    Path(id): Path<u64>,
    Json(done): Json<bool>,
) -> Result<Json<Task>, StatusCode> {
    let mut tasks = tasks.borrow_mut();
    let task = tasks.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    task.done = done;
    Ok(Json(task.clone()))
}

async fn remove(State(tasks): Tasks, Path(id): Path<u64>) -> StatusCode {
    match tasks.borrow_mut().remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    nodeloop::run(async move {
        let router = Router::new()
            .route("/tasks", get(list).post(add))
            .route("/tasks/{id}", delete(remove))
            .route("/tasks/{id}/done", put(mark))
            .with_state(Local::new(Rc::default()));
        let listener = TcpListener::bind(&*address).await?;
        println!("listening on http://{}", listener.local_addr()?);
        let stop = async { ctrl_c().await.expect("a listener for SIGINT") };
        serve(listener, router).with_graceful_shutdown(stop).await
    })
}
