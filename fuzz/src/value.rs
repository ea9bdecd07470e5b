//! The values of programs, and how a log shows them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    Int(u32),
    List(Vec<Value>),
    Ok(Box<Value>),
    Err(Box<Value>),
    /// The error of `any`.
    Aggregate(Vec<Value>),
    Panicked(String),
    Aborted,
    SelfResolution,
    /// The hash of a value that has become too large.
    Digest(u64),
}

/// A combinator may have a promise twice, and a program a hundred combinators in a row.
const LARGEST: usize = 100;

impl Value {
    pub fn list(values: Vec<Value>) -> Value {
        Value::List(values).bounded()
    }

    pub fn aggregate(errors: Vec<Value>) -> Value {
        Value::Aggregate(errors).bounded()
    }

    fn bounded(self) -> Value {
        if self.size() <= LARGEST {
            return self;
        }
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        Value::Digest(hasher.finish())
    }

    fn size(&self) -> usize {
        match self {
            Value::List(values) | Value::Aggregate(values) => {
                values.iter().map(Value::size).sum::<usize>() + 1
            }
            Value::Ok(value) | Value::Err(value) => value.size() + 1,
            _ => 1,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Value]| {
            let texts: Vec<String> = values.iter().map(Value::to_string).collect();
            texts.join(",")
        };
        match self {
            Value::Int(number) => number.fmt(f),
            Value::List(values) => write!(f, "[{}]", list(values)),
            Value::Ok(value) => write!(f, "ok {value}"),
            Value::Err(value) => write!(f, "err {value}"),
            Value::Aggregate(errors) => write!(f, "none[{}]", list(errors)),
            Value::Panicked(text) => write!(f, "panic {text}"),
            Value::Aborted => f.write_str("aborted"),
            Value::SelfResolution => f.write_str("self"),
            Value::Digest(hash) => write!(f, "{hash:x}"),
        }
    }
}

/// The text of the panic number `id`.
pub fn panic_text(id: u32) -> String {
    format!("p{id}")
}

/// How much a program may do: operations and callbacks.
pub const FUEL: u32 = 300;

/// How often an interval calls its body.
pub const INTERVAL_CALLS: u32 = 3;
