//! A warning, and how it is printed.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::panic::Location;

use crate::phases::macrotask::SourceLocation;

/// A problem that does not stop the program: Node's `Warning` object.
///
/// # Examples
///
/// ```
/// use nodeloop::{Warning, emit_warning, on_warning};
///
/// nodeloop::run(async {
///     on_warning(|warning| {
///         assert_eq!(warning.to_string(), "CacheWarning: the cache is full");
///         assert_eq!(warning.location().file(), file!());
///     });
///     emit_warning(Warning::new("the cache is full").with_name("CacheWarning"));
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    name: Cow<'static, str>,
    message: String,
    code: Option<String>,
    detail: Option<String>,
    location: SourceLocation,
}

impl Warning {
    /// Creates a warning with the name `Warning`.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Warning {
        Warning {
            name: "Warning".into(),
            message: message.into(),
            code: None,
            detail: None,
            location: Location::caller(),
        }
    }

    /// Sets the name: the kind of the warning, such as `DeprecationWarning`.
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Warning {
        let name = name.into();
        Warning { name, ..self }
    }

    /// Sets the code: what a program compares instead of the message.
    pub fn with_code(self, code: impl Into<String>) -> Warning {
        let code = Some(code.into());
        Warning { code, ..self }
    }

    /// Sets the detail: text that is printed after the message, on a line of its own.
    pub fn with_detail(self, detail: impl Into<String>) -> Warning {
        let detail = Some(detail.into());
        Warning { detail, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the code, if the warning has one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the detail, if the warning has one.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Returns the location of the cause: of the call of [`emit_warning`](crate::emit_warning), or
    /// of the call that caused a warning of the library.
    pub fn location(&self) -> SourceLocation {
        self.location
    }

    pub(crate) fn at(self, location: SourceLocation) -> Warning {
        Warning { location, ..self }
    }

    /// Writes the warning to stderr as Node does, and adds the location.
    pub(crate) fn print(&self) {
        let mut text = format!("(nodeloop:{}) ", std::process::id());
        if let Some(code) = &self.code {
            text += &format!("[{code}] ");
        }
        text += &format!("{self}\n");
        if let Some(detail) = &self.detail {
            text += &format!("{detail}\n");
        }
        text += &format!("    at {}\n", self.location);
        let _ = io::stderr().write_all(text.as_bytes()); // nobody reads it: there is nothing to do
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl From<&str> for Warning {
    #[track_caller]
    fn from(message: &str) -> Warning {
        Warning::new(message)
    }
}

impl From<String> for Warning {
    #[track_caller]
    fn from(message: String) -> Warning {
        Warning::new(message)
    }
}
