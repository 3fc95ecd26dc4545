//! The static and the dynamic table of HPACK (RFC 7541 sections 2.3 and 4, appendix A).

use std::collections::VecDeque;

/// The entries of the static table; the first has index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
/// What an entry counts beyond its text (RFC 7541 section 4.1).
pub(in crate::http2) const ENTRY_ADDS: usize = 32;
/// The size of a table before anybody changes it (RFC 9113 section 6.5.2).
pub const SIZE_DEFAULT: usize = 4_096;

/// An entry: its name and its value.
pub type HpackField<'a> = (&'a [u8], &'a [u8]);

/// Number of static entries.
pub(super) const STATIC_LEN: usize = STATIC.len();

/// The static entry with this index, which is 1 to 61.
fn static_entry(index: usize) -> Option<HpackField<'static>> {
    let (name, value) = STATIC.get(index.checked_sub(1)?)?;
    Some((name.as_bytes(), value.as_bytes()))
}

/// The index of a static entry with this name, and whether its value is this one too.
pub(super) fn find_static(name: &[u8], value: &[u8]) -> Option<(usize, bool)> {
    // Entries of one name are neighbours.
    let first = STATIC.iter().position(|(known, _)| known.as_bytes() == name)?;
    let alike = STATIC[first..].iter().take_while(|(known, _)| known.as_bytes() == name);
    let exact = alike.map(|(_, its)| its.as_bytes()).position(|its| its == value);
    Some(exact.map_or((first + 1, false), |behind| (first + 1 + behind, true)))
}

/// Where an entry's text is.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    name: usize,
    value: usize,
}

impl Place {
    const fn size(self) -> usize {
        self.name + self.value + ENTRY_ADDS
    }
}

/// A dynamic table, as a decoder keeps it.
#[derive(Debug)]
pub struct DynamicTable {
    /// The texts, oldest first; those of evicted entries lie in front until they are dropped.
    texts: Vec<u8>,
    /// Newest first.
    places: VecDeque<Place>,
    size: usize,
    size_max: usize,
    epoch: u64,
}

impl Default for DynamicTable {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            places: VecDeque::new(),
            size: 0,
            size_max: SIZE_DEFAULT,
            epoch: 0,
        }
    }
}

impl DynamicTable {
    /// Counts its changes: equal values mean equal content.
    pub(in crate::http2) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The size that its entries may reach now.
    pub(in crate::http2) const fn size_max(&self) -> usize {
        self.size_max
    }

    /// The sum of its entries' sizes.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The entry with this index, static ones included.
    pub(super) fn get(&self, index: usize) -> Option<HpackField<'_>> {
        if index <= STATIC_LEN {
            return static_entry(index);
        }
        let place = self.places.get(index - STATIC_LEN - 1)?;
        let text = &self.texts[place.at..];
        Some((&text[..place.name], &text[place.name..place.name + place.value]))
    }

    /// Change the size that its entries may reach.
    pub(super) fn resize(&mut self, size_max: usize) {
        if size_max != self.size_max {
            self.size_max = size_max;
            self.epoch += 1;
            self.evict(0);
        }
    }

    /// Add an entry; one that is larger than the table only empties it (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let place = Place { at: 0, name: name.len(), value: value.len() };
        self.epoch += 1;
        self.evict(place.size());
        if place.size() > self.size_max {
            return;
        }
        self.drop_evicted();
        let at = self.texts.len();
        self.texts.extend_from_slice(name);
        self.texts.extend_from_slice(value);
        self.size += place.size();
        self.places.push_front(Place { at, ..place });
    }

    /// Make room for an entry of this size.
    fn evict(&mut self, wanted: usize) {
        while self.size + wanted > self.size_max
            && let Some(oldest) = self.places.pop_back()
        {
            self.size -= oldest.size();
        }
    }

    /// Drop the texts of evicted entries, once they are more than those kept.
    fn drop_evicted(&mut self) {
        let kept_from = self.places.back().map_or(self.texts.len(), |oldest| oldest.at);
        if kept_from > self.texts.len() - kept_from {
            self.texts.drain(..kept_from);
            self.places.iter_mut().for_each(|place| place.at -= kept_from);
        }
    }

    /// Its entries, newest first.
    #[cfg(test)]
    pub(in crate::http2) fn entries(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entry = |index| self.get(STATIC_LEN + 1 + index);
        let all = (0..self.places.len()).filter_map(entry);
        all.map(|(name, value)| (text(name), text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_static_table_begins_and_ends_as_in_the_rfc() {
        let table = DynamicTable::default();
        let entry = |index| table.get(index).map(|(name, value)| [name, b"=", value].concat());
        assert_eq!(entry(0), None);
        for (index, expected) in [
            (1, ":authority="),
            (2, ":method=GET"),
            (8, ":status=200"),
            (14, ":status=500"),
            (16, "accept-encoding=gzip, deflate"),
            (28, "content-length="),
            (58, "user-agent="),
            (61, "www-authenticate="),
        ] {
            assert_eq!(entry(index).as_deref(), Some(expected.as_bytes()), "{index}");
        }
        assert_eq!(entry(62), None);
        assert_eq!(find_static(b":method", b"GET"), Some((2, true)));
        assert_eq!(find_static(b":method", b"PUT"), Some((2, false)));
        assert_eq!(find_static(b"x", b""), None);
    }

    #[test]
    fn old_entries_give_way_and_their_texts_are_dropped() {
        let mut table = DynamicTable::default();
        table.resize(100);
        for round in 0..1_000 {
            table.insert(b"name", format!("{round:04}").as_bytes());
            assert!(table.size() <= 100 && table.texts.len() <= 64, "{}", table.texts.len());
        }
        let expected = [("name", "0999"), ("name", "0998")];
        assert_eq!(table.entries(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let epoch = table.epoch();
        table.insert(&[b'n'; 60], &[b'v'; 60]);
        assert_eq!((table.size(), table.get(62)), (0, None), "it is larger than the table");
        assert_ne!(table.epoch(), epoch);
    }
}
