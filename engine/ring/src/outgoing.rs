//! Bytes sent once, which the kernel may read until their operation has completed.

/// All of them.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// By slot.
    slots: Vec<Option<Sending>>,
    /// Those of connections that ended before their send; few or none.
    lingering: Vec<Sending>,
}

struct Sending {
    user_data: u64,
    bytes: Vec<u8>,
}

impl Outgoing {
    /// Keep bytes that are being sent in a slot.
    pub(crate) fn keep(&mut self, user_data: u64, slot: u32, bytes: Vec<u8>) {
        let index = slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.lingering.extend(self.slots[index].replace(Sending { user_data, bytes }));
    }

    /// Their send has completed.
    pub(crate) fn take(&mut self, user_data: u64, slot: u32) -> Option<Vec<u8>> {
        let is_it = |sending: &mut Sending| sending.user_data == user_data;
        let found = self.slots.get_mut(slot as usize).and_then(|place| place.take_if(is_it));
        let found = found.or_else(|| {
            let place = self.lingering.iter_mut().position(is_it)?;
            Some(self.lingering.swap_remove(place))
        });
        found.map(|sending| sending.bytes)
    }
}
