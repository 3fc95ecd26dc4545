//! Files with code, each opened once and kept open, so that names are available after exit and
//! upgrade.
//!
//! A file is opened at first sight through the process that runs it (containers see other files at
//! the same paths): by its mapping, which finds even a deleted file but takes privilege, otherwise
//! by the path below the process's root. The same build-id or the same inode is the same module. A
//! path seen again is opened only when a sample falls into it: a series of execs maps the same
//! libraries repeatedly.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use rustix::fs::{MemfdFlags, OFlags, memfd_create};

use super::address_spaces::{Backing, PathId, Region, maps_line};
use super::go_program::GoProgram;
use super::image::{Image, ImageError, build_id};
use super::python_program::PythonProgram;
use super::v8::V8LayoutError;
use super::v8_program::V8Program;
use crate::stack::ModuleId;

/// A file with code.
#[derive(Debug)]
pub(super) struct Module {
    /// Its name without folder.
    pub(super) name: Box<str>,
    /// The file and its image, or why it could not be read.
    pub(super) content: Result<Content, ImageError>,
    v8: OnceCell<Option<Result<V8Program, V8LayoutError>>>,
}

impl Module {
    /// V8's tables, read when they are first needed; `None` for a file without V8.
    pub(super) fn v8(&self) -> Option<&Result<V8Program, V8LayoutError>> {
        let read = || {
            let content = self.content.as_ref().ok().filter(|_| V8Program::is_named(&self.name))?;
            Some(V8Program::read(&content.image, &content.file))
        };
        self.v8.get_or_init(read).as_ref()
    }

    /// The interpreter of a file with CPython.
    pub(super) fn python(&self) -> Option<&PythonProgram> {
        self.content.as_ref().ok().filter(|_| PythonProgram::is_named(&self.name))?.python()
    }

    /// Whether the code at an address is the loop of CPython's interpreter.
    pub(super) fn is_python_loop(&self, address: u64) -> bool {
        self.python().is_some_and(|python| {
            let function = self.content.as_ref().ok().and_then(|it| it.function(address));
            function.is_some_and(|function| python.is_loop(function.start))
        })
    }
}

/// An opened file.
#[derive(Debug)]
pub(super) struct Content {
    /// The file itself.
    pub(super) file: File,
    /// Its size in bytes when it was read.
    pub(super) size: u64,
    /// Its image.
    pub(super) image: Image,
    /// The file with its symbols, if they are kept apart from it, and its size.
    pub(super) debug: Option<(File, u64)>,
    go: OnceCell<Option<GoProgram>>,
    python: OnceCell<Option<PythonProgram>>,
    functions: OnceCell<Vec<Range<u64>>>,
}

impl Content {
    fn read(file: File) -> Result<Self, ImageError> {
        let (size, image) = (file.metadata()?.size(), Image::read(&file)?);
        Ok(Self::new(file, size, image))
    }

    fn new(file: File, size: u64, image: Image) -> Self {
        let (go, python, functions) = Default::default();
        Self { file, size, image, debug: None, go, python, functions }
    }

    /// Further symbols that are compressed within the file, as a file in memory.
    pub(super) fn packed_symbols(&self) -> Option<File> {
        let symbols = self.image.packed_symbols(&self.file)?;
        in_memory("symbols", &symbols).ok()
    }

    /// The function whose unwind rules cover an address.
    pub(super) fn function(&self, address: u64) -> Option<&Range<u64>> {
        let functions = self.functions();
        let after = functions.partition_point(|range| range.start <= address);
        functions.get(after.checked_sub(1)?).filter(|range| address < range.end)
    }

    /// The address ranges with unwind rules, sorted.
    pub(super) fn functions(&self) -> &[Range<u64>] {
        self.functions.get_or_init(|| self.image.functions())
    }

    /// The interpreter of a file that may contain CPython, read when it is first needed.
    fn python(&self) -> Option<&PythonProgram> {
        self.python.get_or_init(|| PythonProgram::read(&self.image, &self.file)).as_ref()
    }

    /// The functions of a Go program, read when they are first needed.
    pub(super) fn go(&self) -> Option<&GoProgram> {
        self.go.get_or_init(|| GoProgram::read(&self.image, &self.file)).as_ref()
    }
}

/// The place where a mapping was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    /// The process.
    pub(super) pid: u32,
    /// The first address.
    pub(super) start: u64,
    /// The address after the last.
    pub(super) end: u64,
    /// Its path according to the kernel.
    pub(super) path: &'a [u8],
}

/// All files with code, in order of first sight.
#[derive(Debug, Default)]
pub(super) struct Modules {
    modules: Vec<Module>,
    by_identity: FxHashMap<Identity, ModuleId>,
    paths: Vec<(Box<[u8]>, ModuleId)>,
    path_of: FxHashMap<Box<[u8]>, PathId>,
    unreadable: FxHashMap<Box<[u8]>, ModuleId>,
    vdso: Option<ModuleId>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Identity {
    Inode {
        device: u64,
        inode: u64,
        size: u64,
    },
    /// With the size, because a file and its stripped copy have the same build-id.
    Build {
        id: Box<[u8]>,
        size: u64,
    },
}

impl Modules {
    /// The number of modules.
    pub(super) const fn len(&self) -> usize {
        self.modules.len()
    }

    /// A module.
    pub(super) fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0 as usize]
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Module] {
        &self.modules
    }

    /// The source of a mapping. Opens the file if its path is new.
    pub(super) fn backing(&mut self, sight: Sight<'_>) -> Backing {
        if sight.path == VDSO {
            return self.vdso().map_or(Backing::Anonymous, Backing::Module);
        }
        let is_file = sight.path.starts_with(b"/")
            && !NOT_FILES.iter().any(|prefix| sight.path.starts_with(prefix))
            || sight.path.starts_with(SHARED_MEMORY);
        if !is_file {
            return Backing::Anonymous;
        }
        match self.path_of.get(sight.path) {
            Some(&known) => Backing::Unchecked(known),
            None => self.open(sight),
        }
    }

    /// The source of a region whose path was seen before.
    pub(super) fn check(&mut self, pid: u32, region: &Region, path: PathId) -> Backing {
        let (path, known) = self.paths[path.0 as usize].clone();
        let sight = Sight { pid, start: region.start, end: region.end, path: &path };
        match self.open(sight) {
            // The process has ended or is hidden: it most likely ran the file at that path.
            Backing::Module(id) if self.module(id).content.is_err() => Backing::Module(known),
            opened => opened,
        }
    }

    /// The file that was last seen at a path.
    pub(super) fn at_path(&self, path: PathId) -> ModuleId {
        self.paths[path.0 as usize].1
    }

    /// The address of a byte of a file; in a file without readable headers, bytes are counted from
    /// its beginning.
    pub(super) fn address(&self, module: ModuleId, file_offset: u64) -> u64 {
        let image = self.module(module).content.as_ref().ok().map(|content| &content.image);
        image.and_then(|image| image.address_of(file_offset)).unwrap_or(file_offset)
    }

    fn open(&mut self, sight: Sight<'_>) -> Backing {
        let opened = open(sight).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuse(sight.path, error.into()),
        };
        let size = metadata.size();
        let inode = Identity::Inode { device: metadata.dev(), inode: metadata.ino(), size };
        if let Some(&id) = self.by_identity.get(&inode) {
            return self.remember(sight.path, id);
        }
        let image = match Image::read(&file) {
            Ok(image) => image,
            // A compiler's buffer that is mapped twice, not a file.
            Err(ImageError::Foreign) if is_in_memory(sight.path) => return Backing::Anonymous,
            Err(reason) => return self.refuse(sight.path, reason),
        };
        let build = image.build_id.clone().map(|id| Identity::Build { id, size });
        let same = build.as_ref().and_then(|build| self.by_identity.get(build).copied());
        let id = same.unwrap_or_else(|| {
            let mut content = Content::new(file, size, image);
            let id = content.image.build_id.as_deref().filter(|_| !content.image.has_symbols);
            let roots = [format!("/proc/{}/root", sight.pid), "/".to_owned()];
            content.debug = id.and_then(|id| debug_file(&roots, id));
            self.add(file_name(sight.path), Ok(content))
        });
        self.by_identity.insert(inode, id);
        if let Some(build) = build {
            self.by_identity.insert(build, id);
        }
        self.remember(sight.path, id)
    }

    /// Record a file that cannot be used, by its path: later sights of the path try again.
    fn refuse(&mut self, path: &[u8], reason: ImageError) -> Backing {
        let id = match self.unreadable.get(path) {
            Some(&id) => id,
            None => {
                let id = self.add(file_name(path), Err(reason));
                self.unreadable.insert(path.into(), id);
                id
            }
        };
        Backing::Module(id)
    }

    fn remember(&mut self, path: &[u8], id: ModuleId) -> Backing {
        match self.path_of.get(path) {
            Some(known) => self.paths[known.0 as usize].1 = id,
            None => {
                self.path_of.insert(path.into(), PathId(self.paths.len() as u32));
                self.paths.push((path.into(), id));
            }
        }
        Backing::Module(id)
    }

    fn add(&mut self, name: Box<str>, content: Result<Content, ImageError>) -> ModuleId {
        self.modules.push(Module { name, content, v8: OnceCell::new() });
        ModuleId(self.modules.len() as u32 - 1)
    }

    fn vdso(&mut self) -> Option<ModuleId> {
        if self.vdso.is_none() {
            let content = vdso().map_err(ImageError::from).and_then(Content::read);
            self.vdso = Some(self.add("[vdso]".into(), content));
        }
        self.vdso
    }
}

/// Open the file of a mapping, as the process sees it.
fn open(sight: Sight<'_>) -> io::Result<File> {
    let process = PathBuf::from(format!("/proc/{}", sight.pid));
    let mapping = format!("map_files/{:x}-{:x}", sight.start, sight.end);
    open_regular(&process.join(mapping)).or_else(|_| {
        let path = sight.path;
        let program = process.join("exe");
        let is_program = fs::read_link(&program).is_ok_and(|to| to.as_os_str().as_bytes() == path);
        if is_program {
            return open_regular(&program);
        }
        if path.ends_with(DELETED) {
            let message = "deleted, and this user may not open it by its mapping";
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let below = path.strip_prefix(b"/").unwrap_or(path);
        open_regular(&process.join("root").join(OsStr::from_bytes(below)))
    })
}

/// Open a file, without waiting for a writer if its path is a pipe.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    Ok(file)
}

/// The code that the kernel maps into every process, as a file in memory. It is the same in all
/// processes of one kind, so this process's own is used for all.
fn vdso() -> io::Result<File> {
    in_memory("vdso", &vdso_bytes()?)
}

fn in_memory(name: &str, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// The file with the symbols of a stripped one, by its build-id below one of `roots`: a process in
/// a container has another root than ours. A file of another build would give wrong names.
fn debug_file(roots: &[String], id: &[u8]) -> Option<(File, u64)> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let name: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("usr/lib/debug/.build-id/{first:02x}/{name}.debug");
    let opened = |root: &String| {
        let file = open_regular(&Path::new(root).join(&path)).ok()?;
        let size = file.metadata().ok()?.len();
        (build_id(&file).as_deref() == Some(id)).then_some((file, size))
    };
    roots.iter().find_map(opened)
}

/// Whether a path is of memory that looks like a file.
fn is_in_memory(path: &[u8]) -> bool {
    path.starts_with(b"/memfd:") || path.starts_with(SHARED_MEMORY)
}

pub(super) fn vdso_bytes() -> io::Result<Vec<u8>> {
    let maps = fs::read("/proc/self/maps")?;
    let mut lines = maps.split(|&byte| byte == b'\n').filter_map(maps_line);
    let line = lines.find(|line| line.path == VDSO).ok_or(io::ErrorKind::NotFound)?;
    let mut bytes = vec![0; (line.end - line.start) as usize];
    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, line.start)?;
    Ok(bytes)
}

fn file_name(path: &[u8]) -> Box<str> {
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    String::from_utf8_lossy(name).into()
}

const VDSO: &[u8] = b"[vdso]";
const DELETED: &[u8] = b" (deleted)";
/// The folder of files in memory, beside devices.
const SHARED_MEMORY: &[u8] = b"/dev/shm/";
/// Paths that the kernel shows for memory without a file, and devices, which must not be opened.
const NOT_FILES: [&[u8]; 4] = [b"//anon", b"/SYSV", b"/anon_hugepage", b"/dev/"];

#[cfg(test)]
mod tests;
