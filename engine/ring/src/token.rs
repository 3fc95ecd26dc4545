//! The key of a completion: operation, slot and generation in 64 bits.
//!
//! A slot's generation changes whenever its connection ends, so a late completion cannot be taken
//! for one of the next connection in the same slot.

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// A connection attempt.
    Connect = 1,
    /// A send of the start of a template; completes only if it fails.
    Send = 2,
    /// A receive into a leased buffer.
    Receive = 3,
    /// A receive whose bytes the kernel discards.
    Skip = 4,
    /// A cancellation; completes only if it fails.
    Cancel = 5,
    /// The closing of a slot.
    Close = 6,
    /// A new connection on a listener.
    Accept = 7,
    /// A send whose end is reported, of a range or of bytes of its own.
    SendNotify = 8,
    /// The creation of a socket within the ring; completes only if it fails.
    Open = 9,
    /// A read of the TCP state of a slot's connection.
    Inspect = 10,
}

/// `operation (8 bits) | generation (24 bits) | slot (32 bits)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    const GENERATION_MASK: u32 = 0xff_ffff;

    /// The token of an operation on the `generation`-th connection in `slot`. Only the low 24 bits
    /// of the generation are kept.
    #[inline]
    pub const fn new(operation: Operation, generation: u32, slot: u32) -> Self {
        let generation = (generation & Self::GENERATION_MASK) as u64;
        Self((operation as u64) << 56 | generation << 32 | slot as u64)
    }

    /// As the kernel's user data.
    #[inline]
    pub const fn user_data(self) -> u64 {
        self.0
    }

    /// From the kernel's user data.
    #[inline]
    pub const fn from_user_data(user_data: u64) -> Self {
        Self(user_data)
    }

    /// The operation; `None` if the kernel returns a value that was never submitted.
    #[inline]
    pub const fn operation(self) -> Option<Operation> {
        Some(match (self.0 >> 56) as u8 {
            1 => Operation::Connect,
            2 => Operation::Send,
            3 => Operation::Receive,
            4 => Operation::Skip,
            5 => Operation::Cancel,
            6 => Operation::Close,
            7 => Operation::Accept,
            8 => Operation::SendNotify,
            9 => Operation::Open,
            10 => Operation::Inspect,
            _ => return None,
        })
    }

    /// The low 24 bits of the generation it was made with.
    #[inline]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & Self::GENERATION_MASK
    }

    /// Whether it was made for this generation.
    #[inline]
    pub const fn is_of(self, generation: u32) -> bool {
        self.generation() == generation & Self::GENERATION_MASK
    }

    /// The slot.
    #[inline]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for operation in [Operation::Connect, Operation::Skip, Operation::Accept] {
            let token = Token::new(operation, 0x0012_3456, u32::MAX);
            assert_eq!(token.operation(), Some(operation));
            assert_eq!(token.generation(), 0x12_3456);
            assert_eq!(token.slot(), u32::MAX);
            assert_eq!(Token::from_user_data(token.user_data()), token);
        }
    }

    #[test]
    fn generations_wrap_without_touching_the_operation() {
        let token = Token::new(Operation::Send, 0xff00_0001, 7);
        assert_eq!((token.operation(), token.generation()), (Some(Operation::Send), 1));
        assert!(token.is_of(1) && token.is_of(0xff00_0001) && !token.is_of(2));
        assert_eq!(Token::from_user_data(0).operation(), None);
    }
}
