//! Stores the notes in SQLite.
//!
//! SQLite blocks, so every call is a job of a thread pool. All jobs share one connection in a lock,
//! because SQLite has one writer at a time anyway.
//!
//! axum requires handlers that are `Send`, and a promise of the loop is not. A job therefore
//! returns its result through a channel, and a pool is only a function that runs jobs.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// A stored note.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    /// The key of the note in the database and in its URL.
    pub id: i64,
    /// The title.
    pub title: String,
    /// The text.
    pub text: String,
}

/// A note as sent by a client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The title.
    pub title: String,
    /// The text; empty by default.
    #[serde(default)]
    pub text: String,
}

/// A call of the database, run on a pool.
pub type Job = Box<dyn FnOnce() + Send>;

/// The store. Clones share the same notes.
#[derive(Clone)]
pub struct Notes {
    connection: Arc<Mutex<Connection>>,
    run: fn(Job),
}

/// Runs a job on the worker pool of the loop.
pub fn run_on_loop_pool(job: Job) {
    // `settled` keeps a panic in the job from becoming an unhandled rejection.
    nodeloop::spawn(nodeloop::spawn_blocking(job).settled()).detach();
}

impl Notes {
    /// Opens a database in a file or in memory, which blocks. `run` runs jobs on other threads.
    pub fn open(file: Option<&str>, run: fn(Job)) -> rusqlite::Result<Notes> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS notes (
                 id INTEGER PRIMARY KEY,
                 title TEXT NOT NULL,
                 text TEXT NOT NULL
             ) STRICT;",
        )?;
        Ok(Notes {
            connection: Arc::new(Mutex::new(connection)),
            run,
        })
    }

    /// Stores a new note and returns it with its key.
    pub async fn add(&self, draft: Draft) -> Result<Note, Failure> {
        self.call(move |connection| {
            let insert = "INSERT INTO notes (title, text) VALUES (?1, ?2)";
            let values = params![draft.title, draft.text];
            connection.prepare_cached(insert)?.execute(values)?;
            Ok(Note {
                id: connection.last_insert_rowid(),
                title: draft.title,
                text: draft.text,
            })
        })
        .await
    }

    /// Returns all notes, the latest first.
    pub async fn all(&self) -> Result<Vec<Note>, Failure> {
        self.call(|connection| {
            let select = "SELECT id, title, text FROM notes ORDER BY id DESC";
            let mut select = connection.prepare_cached(select)?;
            select.query_map([], note)?.collect()
        })
        .await
    }

    /// Returns `None` if there is no such note.
    pub async fn get(&self, id: i64) -> Result<Option<Note>, Failure> {
        self.call(move |connection| select(connection, id)).await
    }

    /// Returns `None` if there is no such note.
    pub async fn change(&self, id: i64, draft: Draft) -> Result<Option<Note>, Failure> {
        self.call(move |connection| {
            let update = "UPDATE notes SET title = ?2, text = ?3 WHERE id = ?1";
            let values = params![id, draft.title, draft.text];
            connection.prepare_cached(update)?.execute(values)?;
            select(connection, id)
        })
        .await
    }

    /// Returns whether the note existed.
    pub async fn remove(&self, id: i64) -> Result<bool, Failure> {
        self.call(move |connection| {
            let delete = "DELETE FROM notes WHERE id = ?1";
            Ok(connection.prepare_cached(delete)?.execute([id])? > 0)
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let connection = self.connection.clone();
        let (sender, receiver) = oneshot::channel();
        (self.run)(Box::new(move || {
            // A job that panicked has executed its statement completely or not at all.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sender.send(job(&connection)); // the request may have been dropped
        }));
        match receiver.await {
            Ok(result) => result.map_err(|error| Failure(error.to_string())),
            Err(oneshot::Canceled) => Err(Failure("a job of the database panicked".to_owned())),
        }
    }
}

fn select(connection: &Connection, id: i64) -> rusqlite::Result<Option<Note>> {
    let select = "SELECT id, title, text FROM notes WHERE id = ?1";
    let mut select = connection.prepare_cached(select)?;
    select.query_row([id], note).optional()
}

fn note(row: &Row<'_>) -> rusqlite::Result<Note> {
    Ok(Note {
        id: row.get(0)?,
        title: row.get(1)?,
        text: row.get(2)?,
    })
}

/// An error of the database.
#[derive(Debug)]
pub struct Failure(pub String);
