//! How results are written into a journal and read back.
//!
//! Numbers are unsigned LEB128: seven bits in a byte, lowest first, the highest bit set in all bytes
//! but the last. A result begins with a byte: 0 for a value, 1 for an error of the operating system
//! with its code, 2 for another error with its kind and its text.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::Duration;

/// The end of a journal that is being written.
#[derive(Debug, Default)]
#[allow(
    unreachable_pub,
    reason = "a type of a sealed public trait; Rust 1.88 reports it"
)]
pub struct Output {
    pub(super) bytes: Vec<u8>,
    /// Whether contents are recorded, or only their lengths.
    pub(super) payloads: bool,
}

impl Output {
    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    #[inline]
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends bytes that are recorded whatever the settings are.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    /// Appends contents, or only their length if payloads are not recorded.
    pub(crate) fn payload(&mut self, contents: &[u8]) {
        self.number((contents.len() as u64) << 1 | u64::from(self.payloads));
        if self.payloads {
            self.bytes.extend_from_slice(contents);
        }
    }
}

/// The part of a journal that is left to be read.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "a type of a sealed public trait; Rust 1.88 reports it"
)]
pub struct Input<'a> {
    bytes: &'a [u8],
    /// Whether contents were read of which only the length was recorded.
    pub(super) has_zeros: bool,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input {
            bytes,
            has_zeros: false,
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// Reads contents; zeros if only their length was recorded.
    pub(crate) fn payload(&mut self) -> Option<Vec<u8>> {
        let head = self.number()?;
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 1 {
            return self.take(length).map(<[u8]>::to_vec);
        }
        self.has_zeros |= length > 0;
        // A damaged length must not exhaust the memory.
        (length <= MAX_ZEROS).then(|| vec![0; length])
    }
}

/// The longest contents of which only the length is recorded.
const MAX_ZEROS: usize = 1 << 30;

/// A result that a journal can contain.
#[allow(
    unreachable_pub,
    reason = "a type of a sealed public trait; Rust 1.88 reports it"
)]
pub trait Value: Sized {
    /// Returns the value as a number if it is one, which has a shorter record.
    fn as_number(&self) -> Option<u64> {
        None
    }

    /// Returns the value, or `most` if it is a larger length.
    fn at_most(self, most: usize) -> Self {
        let _ = most;
        self
    }

    fn encode(&self, out: &mut Output);
    fn decode(input: &mut Input<'_>) -> Option<Self>;
}

impl Value for () {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<()> {
        Some(())
    }
}

impl Value for bool {
    fn encode(&self, out: &mut Output) {
        out.byte(u8::from(*self));
    }

    fn decode(input: &mut Input<'_>) -> Option<bool> {
        Some(input.byte()? != 0)
    }
}

impl Value for u64 {
    fn encode(&self, out: &mut Output) {
        out.number(*self);
    }

    fn decode(input: &mut Input<'_>) -> Option<u64> {
        input.number()
    }
}

impl Value for u32 {
    fn encode(&self, out: &mut Output) {
        out.number(u64::from(*self));
    }

    fn decode(input: &mut Input<'_>) -> Option<u32> {
        input.number()?.try_into().ok()
    }
}

impl Value for u16 {
    fn encode(&self, out: &mut Output) {
        out.number(u64::from(*self));
    }

    fn decode(input: &mut Input<'_>) -> Option<u16> {
        input.number()?.try_into().ok()
    }
}

impl Value for i32 {
    fn encode(&self, out: &mut Output) {
        out.number(u64::from(self.cast_unsigned()));
    }

    fn decode(input: &mut Input<'_>) -> Option<i32> {
        Some(u32::decode(input)?.cast_signed())
    }
}

impl Value for usize {
    fn as_number(&self) -> Option<u64> {
        Some(*self as u64)
    }

    fn at_most(self, most: usize) -> usize {
        self.min(most)
    }

    fn encode(&self, out: &mut Output) {
        out.number(*self as u64);
    }

    fn decode(input: &mut Input<'_>) -> Option<usize> {
        input.number()?.try_into().ok()
    }
}

impl Value for Duration {
    fn encode(&self, out: &mut Output) {
        out.number(self.as_secs());
        out.number(u64::from(self.subsec_nanos()));
    }

    fn decode(input: &mut Input<'_>) -> Option<Duration> {
        let (seconds, nanos) = (input.number()?, u32::decode(input)?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }
}

impl Value for Vec<u8> {
    fn encode(&self, out: &mut Output) {
        out.payload(self);
    }

    fn decode(input: &mut Input<'_>) -> Option<Vec<u8>> {
        input.payload()
    }
}

impl Value for String {
    fn encode(&self, out: &mut Output) {
        out.payload(self.as_bytes());
    }

    fn decode(input: &mut Input<'_>) -> Option<String> {
        String::from_utf8(input.payload()?).ok()
    }
}

impl Value for PathBuf {
    fn encode(&self, out: &mut Output) {
        out.text(self.as_os_str().as_encoded_bytes());
    }

    fn decode(input: &mut Input<'_>) -> Option<PathBuf> {
        // A path that is not UTF-8 is replayed with replacement characters.
        Some(String::from_utf8_lossy(input.text()?).into_owned().into())
    }
}

impl Value for SocketAddr {
    fn encode(&self, out: &mut Output) {
        match self {
            SocketAddr::V4(address) => {
                out.byte(4);
                out.bytes.extend_from_slice(&address.ip().octets());
                address.port().encode(out);
            }
            SocketAddr::V6(address) => {
                out.byte(6);
                out.bytes.extend_from_slice(&address.ip().octets());
                address.port().encode(out);
                address.flowinfo().encode(out);
                address.scope_id().encode(out);
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<SocketAddr> {
        match input.byte()? {
            4 => {
                let octets: [u8; 4] = input.take(4)?.try_into().ok()?;
                let ip = IpAddr::V4(Ipv4Addr::from(octets));
                Some(SocketAddr::new(ip, u16::decode(input)?))
            }
            6 => {
                let octets: [u8; 16] = input.take(16)?.try_into().ok()?;
                let ip = Ipv6Addr::from(octets);
                let port = u16::decode(input)?;
                let (flowinfo, scope) = (u32::decode(input)?, u32::decode(input)?);
                Some(SocketAddrV6::new(ip, port, flowinfo, scope).into())
            }
            _ => None,
        }
    }
}

impl<T: Value> Value for Option<T> {
    fn encode(&self, out: &mut Output) {
        out.byte(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<Option<T>> {
        match input.byte()? {
            0 => Some(None),
            _ => T::decode(input).map(Some),
        }
    }
}

impl<A: Value, B: Value> Value for (A, B) {
    fn encode(&self, out: &mut Output) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<(A, B)> {
        Some((A::decode(input)?, B::decode(input)?))
    }
}

impl<A: Value, B: Value, C: Value> Value for (A, B, C) {
    fn encode(&self, out: &mut Output) {
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<(A, B, C)> {
        Some((A::decode(input)?, B::decode(input)?, C::decode(input)?))
    }
}

/// A list with its length.
impl Value for Vec<SocketAddr> {
    fn encode(&self, out: &mut Output) {
        out.number(self.len() as u64);
        self.iter().for_each(|address| address.encode(out));
    }

    fn decode(input: &mut Input<'_>) -> Option<Vec<SocketAddr>> {
        let length = input.number()?;
        (0..length).map(|_| SocketAddr::decode(input)).collect()
    }
}

impl Value for io::Error {
    fn encode(&self, out: &mut Output) {
        match self.raw_os_error() {
            Some(code) => {
                out.byte(1);
                code.encode(out);
            }
            None => {
                out.byte(2);
                out.text(format!("{:?}", self.kind()).as_bytes());
                out.text(self.to_string().as_bytes());
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<io::Error> {
        match input.byte()? {
            1 => Some(io::Error::from_raw_os_error(i32::decode(input)?)),
            2 => {
                let kind = kind_of(input.text()?);
                let text = String::from_utf8_lossy(input.text()?).into_owned();
                Some(io::Error::new(kind, text))
            }
            _ => None,
        }
    }
}

impl<T: Value> Value for io::Result<T> {
    #[inline]
    fn encode(&self, out: &mut Output) {
        match self {
            Ok(value) => {
                out.byte(0);
                value.encode(out);
            }
            Err(error) => error.encode(out),
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<io::Result<T>> {
        if input.bytes.first() == Some(&0) {
            input.byte();
            return T::decode(input).map(Ok);
        }
        io::Error::decode(input).map(Err)
    }
}

/// Returns the kind of this name. The numbers of the kinds differ between versions of std.
fn kind_of(name: &[u8]) -> io::ErrorKind {
    let kinds = [
        io::ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::NotConnected,
        io::ErrorKind::AddrInUse,
        io::ErrorKind::AddrNotAvailable,
        io::ErrorKind::NetworkDown,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::AlreadyExists,
        io::ErrorKind::WouldBlock,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::IsADirectory,
        io::ErrorKind::DirectoryNotEmpty,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::StaleNetworkFileHandle,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::InvalidData,
        io::ErrorKind::TimedOut,
        io::ErrorKind::WriteZero,
        io::ErrorKind::StorageFull,
        io::ErrorKind::NotSeekable,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
        io::ErrorKind::ResourceBusy,
        io::ErrorKind::ExecutableFileBusy,
        io::ErrorKind::Deadlock,
        io::ErrorKind::TooManyLinks,
        io::ErrorKind::ArgumentListTooLong,
        io::ErrorKind::Interrupted,
        io::ErrorKind::Unsupported,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::OutOfMemory,
    ];
    let is_name = |kind: &io::ErrorKind| format!("{kind:?}").as_bytes() == name;
    kinds
        .into_iter()
        .find(is_name)
        .unwrap_or(io::ErrorKind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied<T: Value>(value: &T, payloads: bool) -> T {
        let mut out = Output {
            payloads,
            ..Output::default()
        };
        value.encode(&mut out);
        let mut input = Input::new(&out.bytes);
        let copy = T::decode(&mut input).expect("a value that was written can be read");
        assert_eq!(input.left(), 0);
        for length in 0..out.bytes.len() {
            // A part may be a shorter value, but it never panics.
            let _ = T::decode(&mut Input::new(&out.bytes[..length]));
        }
        copy
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(copied(&number, false), number);
        }
        assert_eq!(copied(&-5_i32, false), -5);
        let v4: SocketAddr = "10.1.2.3:80".parse().unwrap();
        let v6: SocketAddr = "[fe80::1%3]:8080".parse().unwrap();
        assert_eq!(copied(&(7_usize, v4), false), (7, v4));
        assert_eq!(copied(&vec![v4, v6], false), [v4, v6]);
        let duration = Some(Duration::new(3, 999_999_999));
        assert_eq!(copied(&duration, false), duration);
        assert_eq!(copied(&b"text".to_vec(), true), b"text");
        assert_eq!(copied(&b"text".to_vec(), false), [0; 4]);
    }

    #[test]
    fn errors_keep_their_codes_kinds_and_texts() {
        let refused: io::Result<usize> = Err(io::Error::from_raw_os_error(111));
        assert_eq!(
            copied(&refused, false).unwrap_err().raw_os_error(),
            Some(111)
        );
        let own: io::Result<usize> = Err(io::Error::new(io::ErrorKind::TimedOut, "too late"));
        let copy = copied(&own, false).unwrap_err();
        assert_eq!(copy.kind(), io::ErrorKind::TimedOut);
        assert_eq!(copy.to_string(), "too late");
    }
}
