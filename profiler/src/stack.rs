//! Stacks as they are stored: interned paths of locations; names are looked up once, afterwards.

use rustc_hash::FxHashMap;

/// The location of a frame, before it has a name. Addresses are those for the name lookup: the
/// instruction itself for the innermost frame, one byte before the return address for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// An address in the kernel.
    Kernel(u64),
    /// Code of a file (or of the vDSO): an address as the file's own program headers state it.
    Code {
        /// The file.
        module: ModuleId,
        /// The address, relative to the file.
        address: u64,
    },
    /// A function inlined into that of [`Location::Code`] at the same address.
    Inlined {
        /// The file.
        module: ModuleId,
        /// The address, relative to the file.
        address: u64,
        /// Its place among those inlined there, from the innermost on.
        nth: u8,
    },
    /// Code without a file, such as a JIT's.
    Anonymous {
        /// The process, as this PID namespace numbers it.
        pid: u32,
        /// The address in that process.
        address: u64,
    },
    /// A frame named by an interpreter.
    Named(NameId),
    /// A marker in place of code.
    Marker(Marker),
}

/// A marker in a stack in place of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Marker {
    /// The callers are missing: the stack was deeper than its copy, or it could not be unwound.
    /// Always the outermost frame.
    Truncated,
    /// An address in no known mapping.
    Unmapped,
}

impl Marker {
    /// Its text in a flame graph.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Truncated => "[truncated]",
            Self::Unmapped => "[unmapped]",
        }
    }
}

/// A file with code, numbered in order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

/// A name given by an interpreter, numbered by [`StackTable::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u32);

/// A distinct location, numbered by its [`StackTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

/// A distinct stack, numbered by its [`StackTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(pub u32);

impl StackId {
    /// The stack without frames.
    pub const EMPTY: Self = Self(0);
}

/// The name of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameName {
    /// The function, demangled; for stripped code the start of the function, `nginx+fn@4a10`.
    pub function: String,
    /// The file's name without its folder (`libc.so.6`, `app.py`); empty without a file.
    pub module: String,
    /// Its kind.
    pub kind: FrameKind,
}

impl FrameName {
    /// That of an interpreter's frame, from `function (file)`.
    pub fn interpreted(text: &str) -> Self {
        let named = text.strip_suffix(')').and_then(|text| text.rsplit_once(" ("));
        let (function, module) = named.unwrap_or((text, ""));
        Self { function: function.into(), module: module.into(), kind: FrameKind::Interpreted }
    }
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// The kernel.
    Kernel,
    /// Compiled code in a file.
    Native,
    /// An interpreter's frame (Python).
    Interpreted,
    /// Code made at run time.
    Jit,
    /// Not code: a [`Marker`].
    Marker,
}

/// All distinct stacks, as a tree grown from their outermost frames: memory follows the number of
/// distinct stacks, not of samples.
#[derive(Debug)]
pub struct StackTable {
    /// Node 0 is the empty stack; a node is its caller's stack and one more frame.
    nodes: Vec<Node>,
    node_of: FxHashMap<Node, StackId>,
    locations: Vec<Location>,
    frame_of: FxHashMap<Location, FrameId>,
    names: Vec<Box<str>>,
    name_of: FxHashMap<Box<str>, NameId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    caller: StackId,
    frame: FrameId,
}

impl Default for StackTable {
    fn default() -> Self {
        Self {
            nodes: vec![Node { caller: StackId::EMPTY, frame: FrameId(u32::MAX) }],
            node_of: FxHashMap::default(),
            locations: Vec::new(),
            frame_of: FxHashMap::default(),
            names: Vec::new(),
            name_of: FxHashMap::default(),
        }
    }
}

impl StackTable {
    /// The id of a stack, given from the outermost frame to the innermost.
    pub fn intern(&mut self, root_first: impl IntoIterator<Item = Location>) -> StackId {
        self.extend(StackId::EMPTY, root_first)
    }

    /// The id of `stack` with further frames called from its innermost one.
    pub fn extend(
        &mut self,
        stack: StackId,
        called: impl IntoIterator<Item = Location>,
    ) -> StackId {
        called.into_iter().fold(stack, |caller, location| {
            let node = Node { caller, frame: self.frame(location) };
            *self.node_of.entry(node).or_insert_with(|| {
                self.nodes.push(node);
                StackId(self.nodes.len() as u32 - 1)
            })
        })
    }

    /// The id of an interpreter's name for a frame.
    pub fn name(&mut self, name: &str) -> NameId {
        if let Some(&known) = self.name_of.get(name) {
            return known;
        }
        let id = NameId(self.names.len() as u32);
        self.names.push(name.into());
        self.name_of.insert(name.into(), id);
        id
    }

    /// The text of an interpreter's name.
    pub fn name_text(&self, id: NameId) -> &str {
        &self.names[id.0 as usize]
    }

    /// A stack's frames from the innermost to the outermost.
    pub fn leaf_first(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            if at == StackId::EMPTY {
                return None;
            }
            let node = self.nodes[at.0 as usize];
            at = node.caller;
            Some(node.frame)
        })
    }

    /// A stack's frames from the outermost to the innermost.
    pub fn root_first(&self, stack: StackId) -> Vec<FrameId> {
        let mut frames: Vec<_> = self.leaf_first(stack).collect();
        frames.reverse();
        frames
    }

    /// Every stack except the empty one, in the order of their ids: its caller's stack, which comes
    /// before it, and its innermost frame.
    pub fn nodes(&self) -> impl Iterator<Item = (StackId, FrameId)> + '_ {
        self.nodes.iter().skip(1).map(|node| (node.caller, node.frame))
    }

    /// The location of a frame.
    pub fn location(&self, frame: FrameId) -> Location {
        self.locations[frame.0 as usize]
    }

    /// Every distinct location; a [`FrameId`] is an index into it.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// The number of distinct stacks, callers' stacks included.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Whether no stack was ever interned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn frame(&mut self, location: Location) -> FrameId {
        *self.frame_of.entry(location).or_insert_with(|| {
            self.locations.push(location);
            FrameId(self.locations.len() as u32 - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_kept_once_and_comes_back_whole() {
        let mut table = StackTable::default();
        let outer = Location::Code { module: ModuleId(0), address: 0x10 };
        let inner = Location::Kernel(0xffff_ffff_8000_0000);
        let stack = table.intern([outer, inner]);
        assert_eq!(table.intern([outer, inner]), stack);
        let other = table.intern([outer]);
        assert_ne!(other, stack);
        assert_eq!(table.extend(other, [inner]), stack);
        let frames = table.root_first(stack);
        assert_eq!(frames.iter().map(|&f| table.location(f)).collect::<Vec<_>>(), [outer, inner]);
        assert_eq!(table.leaf_first(stack).collect::<Vec<_>>(), [frames[1], frames[0]]);
        assert_eq!((table.len(), table.locations().len()), (2, 2));
        assert_eq!(table.intern([]), StackId::EMPTY);
    }

    #[test]
    fn an_interpreters_name_is_kept_once() {
        let mut table = StackTable::default();
        let name = table.name("handler (app.py)");
        assert_eq!(table.name("handler (app.py)"), name);
        assert_ne!(table.name("other (app.py)"), name);
        assert_eq!(table.name_text(name), "handler (app.py)");
    }
}
