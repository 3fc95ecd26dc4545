//! An answer, for checks and captures: nothing is parsed before one of them needs it.

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// 100 to 999.
    pub status: u16,
    /// Status line or first header to the empty line, as received.
    pub head: &'a [u8],
    /// The payload without chunk framing; empty if no check or capture needs it.
    pub body: &'a [u8],
    /// Length of the payload, kept or not.
    pub body_bytes: u64,
}

impl<'a> Answer<'a> {
    /// The values of a header in order, without surrounding white space.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head.split(|&byte| byte == b'\n').filter_map(move |line| {
            let (given, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(b":")?;
            given.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    /// The value of a cookie that the answer sets; of several, the last.
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let pairs = self.headers("set-cookie").filter_map(|line| {
            let pair = line.split(|&byte| byte == b';').next()?;
            let (given, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=')?);
            (given.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii())
        });
        pairs.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_cookies_are_found_by_name() {
        let head = b"HTTP/1.1 200 OK\r\nX-A:  1 \r\nx-a: 2\r\nSet-Cookie: sid=ab; Path=/\r\n\
                     Set-Cookie: other=1\r\nSet-Cookie: sid=cd=e\r\n\r\n";
        let answer = Answer { status: 200, head, body: b"", body_bytes: 0 };
        assert_eq!(answer.headers("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(answer.headers("X").count(), 0);
        assert_eq!(answer.cookie("sid"), Some(&b"cd=e"[..]));
        assert_eq!(answer.cookie("si"), None);
    }
}
