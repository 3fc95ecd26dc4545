//! Names of JavaScript functions, from the heap of V8 as its own tables for debuggers describe it:
//! the symbols `v8dbg_*` of Node, whose values are positions and types.
//!
//! A frame holds its function (`JSFunction`), which leads to a `SharedFunctionInfo`, and that to a
//! name, or to a `ScopeInfo` with one, and to the script. The heap belongs to another program and
//! changes while it is read: every object's type is checked and every length bounded. Pure: words
//! of memory come from a function.

use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

/// The layout of V8's objects and frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V8Layout {
    /// From the frame pointer down to the function, and to its context or the kind of the frame.
    function_below: u64,
    context_below: u64,
    /// Positions of fields in objects.
    map_type: u64,
    function_shared: u64,
    shared_name: u64,
    shared_script: u64,
    script_name: u64,
    /// Types of objects.
    functions: RangeInclusive<u16>,
    shared: u16,
    scope: u16,
    script: u16,
    /// The first word of a `ScopeInfo`'s list, and places in that list.
    scope_list: u64,
    scope_locals: u64,
    scope_first: u64,
    strings: V8Strings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct V8Strings {
    /// Types from here on are no strings.
    end: u16,
    representations: u16,
    cons: u16,
    thin: u16,
    sliced: u16,
    encodings: u16,
    one_byte: u16,
    length: u64,
    one_byte_text: u64,
    two_byte_text: u64,
    cons_parts: [u64; 2],
    thin_actual: u64,
    sliced_parent: u64,
    sliced_offset: u64,
}

/// Why a program's heap cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum V8LayoutError {
    /// The program has no such symbol.
    #[error("its table for debuggers lacks {0}")]
    Missing(&'static str),
    /// The version is too old, or pointers are compressed.
    #[error("its objects have another layout than those of Node 14 or newer")]
    Unsupported,
}

impl V8Layout {
    /// Read a layout from the values of symbols.
    ///
    /// # Errors
    /// If a symbol is missing or the objects have another layout.
    pub fn read(value: impl Fn(&str) -> Option<i32>) -> Result<Self, V8LayoutError> {
        let table = V8Table(&value);
        let part = |name: &'static str| {
            value(&format!("_ZN2v88internal7Version6{name}_E")).ok_or(V8LayoutError::Missing(name))
        };
        let version = (part("major")?, part("minor")?, part("build")?);
        let tags = [("HeapObjectTag", 1), ("HeapObjectTagMask", 3), ("SmiShiftSize", 31)];
        let is_tagged = tags.into_iter().all(|(name, tag)| table.number(&[name]) == Ok(tag));
        if version < (8, 1, 0) || !is_tagged {
            return Err(V8LayoutError::Unsupported);
        }
        let first = table.kind("type_JSFunction__JS_FUNCTION_TYPE")?;
        // The types of constructors follow; that of classes is the last.
        let last = match version {
            (9, 6, 138..) | (9, 7.., _) | (10.., _, _) => first.saturating_add(15),
            (9, 0, 14..) | (9, 1.., _) => first.saturating_add(13),
            _ => first,
        };
        let functions = match (table.kind("FirstJSFunctionType"), table.kind("LastJSFunctionType"))
        {
            (Ok(first), Ok(last)) => first..=last,
            _ => first..=last,
        };
        Ok(Self {
            function_below: table.below("off_fp_function")?,
            context_below: table.below("off_fp_context")?,
            map_type: table.at(&["class_Map__instance_type__uint16_t"])?,
            function_shared: table.at(&["class_JSFunction__shared__SharedFunctionInfo"])?,
            shared_name: table.at(&[
                "class_SharedFunctionInfo__name_or_scope_info__Object",
                "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
                "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_",
            ])?,
            shared_script: table.at(&[
                "class_SharedFunctionInfo__script_or_debug_info__Object",
                "class_SharedFunctionInfo__script_or_debug_info__HeapObject",
                "class_SharedFunctionInfo__script__Tagged_HeapObject_",
            ])?,
            script_name: table.at(&["class_Script__name__Object"])?,
            functions,
            shared: table.kind("type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE")?,
            scope: table.kind("type_ScopeInfo__SCOPE_INFO_TYPE")?,
            script: table.kind("type_Script__SCRIPT_TYPE")?,
            // Until then it was an array, whose length came first.
            scope_list: if version < (9, 1, 71) { 16 } else { 8 },
            scope_locals: table.at(&["scopeinfo_idx_ncontextlocals"])?,
            scope_first: table.at(&["scopeinfo_idx_first_vars"])?,
            strings: V8Strings::read(&table)?,
        })
    }

    /// The function of the frame at a frame pointer; `None` for frames of another kind. `stack`
    /// reads the thread's stack.
    pub fn function(&self, frame: u64, stack: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let context = stack(frame.checked_sub(self.context_below)?)?;
        let function = stack(frame.checked_sub(self.function_below)?)?;
        // A number instead of a context is the kind of a frame without a function.
        (is_object(context) && is_object(function)).then_some(function)
    }
}

impl V8Strings {
    fn read<F: Fn(&str) -> Option<i32>>(table: &V8Table<F>) -> Result<Self, V8LayoutError> {
        Ok(Self {
            end: table.kind("FirstNonstringType")?,
            representations: table.kind("StringRepresentationMask")?,
            cons: table.kind("ConsStringTag")?,
            thin: table.kind("ThinStringTag")?,
            sliced: table.kind("SlicedStringTag")?,
            encodings: table.kind("StringEncodingMask")?,
            one_byte: table.kind("OneByteStringTag")?,
            length: table.at(&["class_String__length__int32_t"])?,
            one_byte_text: table.at(&["class_SeqOneByteString__chars__char"])?,
            two_byte_text: table.at(&["class_SeqTwoByteString__chars__char"])?,
            cons_parts: [
                table.at(&["class_ConsString__first__String"])?,
                table.at(&["class_ConsString__second__String"])?,
            ],
            thin_actual: table.at(&["class_ThinString__actual__String"])?,
            sliced_parent: table.at(&["class_SlicedString__parent__String"])?,
            sliced_offset: table.at(&["class_SlicedString__offset__SMI"])?,
        })
    }
}

/// V8's table for debuggers: values of symbols whose names begin alike. A field that was renamed
/// has several.
struct V8Table<F>(F);

impl<F: Fn(&str) -> Option<i32>> V8Table<F> {
    fn number(&self, names: &[&'static str]) -> Result<i32, V8LayoutError> {
        let found = names.iter().find_map(|name| self.0(&format!("v8dbg_{name}")));
        found.ok_or(V8LayoutError::Missing(names[0]))
    }

    /// The position of a field, or in a list.
    fn at(&self, names: &[&'static str]) -> Result<u64, V8LayoutError> {
        u16::try_from(self.number(names)?).map(u64::from).map_err(|_| V8LayoutError::Unsupported)
    }

    /// The type of an object, or bits of one.
    fn kind(&self, name: &'static str) -> Result<u16, V8LayoutError> {
        u16::try_from(self.number(&[name])?).map_err(|_| V8LayoutError::Unsupported)
    }

    /// The distance of a word below the frame pointer.
    fn below(&self, name: &'static str) -> Result<u64, V8LayoutError> {
        let below = self.number(&[name])?.checked_neg();
        let below = below.and_then(|below| u64::try_from(below).ok());
        below.filter(|below| (8..=64).contains(below)).ok_or(V8LayoutError::Unsupported)
    }
}

/// The heap of a process.
#[derive(Debug)]
pub struct V8Heap<'a, R> {
    /// The layout.
    pub layout: &'a V8Layout,
    /// The types of objects by their maps, which rarely move.
    pub types: &'a mut FxHashMap<u64, u16>,
    /// Reads memory at an address.
    pub read: R,
}

/// A JavaScript function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsFunction {
    /// Its name; empty if it has none.
    pub name: String,
    /// The script's path or address; empty for V8's own functions.
    pub script: String,
}

impl JsFunction {
    /// Name and file, as in `handle (app.js)`.
    pub fn text(&self) -> String {
        let name = if self.name.is_empty() { "(anonymous)" } else { &self.name };
        // Node's own modules have no folder.
        let is_own = self.script.starts_with("node:");
        let file = self.script.rsplit('/').next().filter(|_| !is_own).unwrap_or(&self.script);
        if file.is_empty() { name.to_owned() } else { format!("{name} ({file})") }
    }
}

impl<R: FnMut(u64, &mut [u8]) -> Option<()>> V8Heap<'_, R> {
    /// The information that all closures of a function share.
    pub fn shared(&mut self, function: u64) -> Option<u64> {
        let (at, kind) = self.object(function)?;
        if !self.layout.functions.contains(&kind) {
            return None;
        }
        let shared = self.word(at, self.layout.function_shared)?;
        let (_, kind) = self.object(shared)?;
        (kind == self.layout.shared).then_some(shared)
    }

    /// The function that has this shared information.
    pub fn describe(&mut self, shared: u64) -> Option<JsFunction> {
        let layout = self.layout;
        let (at, kind) = self.object(shared)?;
        if kind != layout.shared {
            return None;
        }
        let name = self.word(at, layout.shared_name)?;
        let name = match self.object(name) {
            Some((scope, kind)) if kind == layout.scope => self.name_in_scope(scope),
            Some((_, kind)) if kind < layout.strings.end => self.text(name)?,
            // A number instead of a name: it has none.
            _ => String::new(),
        };
        let script = self.word(at, layout.shared_script)?;
        let script = match self.object(script) {
            Some((script, kind)) if kind == layout.script => {
                let name = self.word(script, layout.script_name)?;
                self.text(name).unwrap_or_default()
            }
            _ => String::new(),
        };
        Some(JsFunction { name, script })
    }

    /// The name in a `ScopeInfo`: the first text after the function's variables.
    fn name_in_scope(&mut self, scope: u64) -> String {
        let layout = self.layout;
        let list = scope.saturating_add(layout.scope_list);
        let locals = self.word(list, 8 * layout.scope_locals).unwrap_or(0);
        let locals = if locals & 1 == 0 { (locals >> 32).min(LOCALS_MAX) } else { 0 };
        let first = layout.scope_first + 2 * locals;
        let mut names = (first..first + SCOPE_WORDS).filter_map(|nth| {
            let word = self.word(list, 8 * nth)?;
            self.text(word)
        });
        names.next().unwrap_or_default()
    }

    fn text(&mut self, string: u64) -> Option<String> {
        let mut text = String::new();
        self.append(string, DEPTH_MAX, &mut text)?;
        Some(text)
    }

    fn append(&mut self, string: u64, depth: u32, text: &mut String) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let strings = &self.layout.strings;
        let (at, kind) = self.object(string)?;
        if kind >= strings.end {
            return None;
        }
        match kind & strings.representations {
            0 => {
                let length = self.length(at)?;
                self.append_part(at, kind, 0, length, text)
            }
            it if it == strings.cons => {
                for part in strings.cons_parts {
                    let part = self.word(at, part)?;
                    self.append(part, depth, text)?;
                }
                Some(())
            }
            it if it == strings.thin => {
                let actual = self.word(at, strings.thin_actual)?;
                self.append(actual, depth, text)
            }
            it if it == strings.sliced => {
                let offset = self.word(at, strings.sliced_offset)? >> 32;
                let parent = self.word(at, strings.sliced_parent)?;
                let (parent, kind) = self.object(parent)?;
                let length = self.length(at)?;
                let is_sequence = kind < strings.end && kind & strings.representations == 0;
                is_sequence.then(|| self.append_part(parent, kind, offset, length, text))?
            }
            // Text outside of the heap.
            _ => None,
        }
    }

    /// Append characters that stand one after the other.
    fn append_part(
        &mut self,
        at: u64,
        kind: u16,
        offset: u64,
        length: usize,
        text: &mut String,
    ) -> Option<()> {
        let strings = &self.layout.strings;
        if text.len() + length > TEXT_MAX {
            return None;
        }
        let mut bytes = [0; 2 * TEXT_MAX];
        let is_printable = |letter: &char| !letter.is_control();
        if kind & strings.encodings == strings.one_byte {
            let bytes = &mut bytes[..length];
            (self.read)(at.checked_add(strings.one_byte_text)?.checked_add(offset)?, bytes)?;
            text.extend(bytes.iter().map(|&byte| char::from(byte)).filter(is_printable));
        } else {
            let bytes = &mut bytes[..2 * length];
            (self.read)(at.checked_add(strings.two_byte_text)?.checked_add(2 * offset)?, bytes)?;
            let units = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit));
            let letters = char::decode_utf16(units).map(|it| it.unwrap_or('\u{fffd}'));
            text.extend(letters.filter(is_printable));
        }
        Some(())
    }

    fn length(&mut self, string: u64) -> Option<usize> {
        let mut length = [0; 4];
        (self.read)(string.checked_add(self.layout.strings.length)?, &mut length)?;
        Some(u32::from_le_bytes(length) as usize).filter(|&length| length <= TEXT_MAX)
    }

    /// The address and the type of an object.
    fn object(&mut self, tagged: u64) -> Option<(u64, u16)> {
        if !is_object(tagged) {
            return None;
        }
        let at = tagged - 1;
        let map = self.word(at, 0).filter(|&map| is_object(map))?;
        if let Some(&kind) = self.types.get(&map) {
            return Some((at, kind));
        }
        let mut kind = [0; 2];
        (self.read)((map - 1).checked_add(self.layout.map_type)?, &mut kind)?;
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        let kind = u16::from_le_bytes(kind);
        self.types.insert(map, kind);
        Some((at, kind))
    }

    fn word(&mut self, at: u64, field: u64) -> Option<u64> {
        let mut word = [0; 8];
        (self.read)(at.checked_add(field)?, &mut word)?;
        Some(u64::from_le_bytes(word))
    }
}

/// Whether a word refers to an object: numbers are even.
const fn is_object(word: u64) -> bool {
    word & 3 == 1
}

/// Longest text.
const TEXT_MAX: usize = 1_024;
/// How many strings may be made of each other.
const DEPTH_MAX: u32 = 8;
/// Most variables of a function that are skipped.
const LOCALS_MAX: u64 = 256;
/// The words in which a `ScopeInfo` has the function's name.
const SCOPE_WORDS: u64 = 8;
/// Most types that are kept.
const TYPES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
