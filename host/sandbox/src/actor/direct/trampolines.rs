//! The parts of a component that only pass calls on: trampolines to imports that need the program's memory, and the components around
//! exported functions. Their code is read, so that a part that does anything else is told from them.

use std::collections::HashMap;

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, ElementItems, ElementKind, Encoding, ExternalKind, Operator, Payload,
    TypeRef,
};

use crate::component::sections;

/// The exported trampolines of a module, with the slot of its table that each of them calls. None when the module has anything else.
pub(super) fn slots(module: &[u8]) -> Option<Vec<(&str, u32)>> {
    let (mut types, mut functions, mut called, mut exports) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for payload in sections(module) {
        match payload.ok()? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty.ok()?.params().len());
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    functions.push(ty.ok()?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    if export.kind == ExternalKind::Func {
                        exports.push((export.name, export.index));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let ty = *functions.get(called.len())?;
                if body.get_locals_reader().ok()?.get_count() != 0 {
                    return None;
                }
                let mut operators = body.get_operators_reader().ok()?;
                for param in 0..*types.get(ty as usize)? {
                    let Operator::LocalGet { local_index } = operators.read().ok()? else { return None };
                    (local_index as usize == param).then_some(())?;
                }
                let Operator::I32Const { value } = operators.read().ok()? else { return None };
                let Operator::CallIndirect { type_index, table_index: 0 } = operators.read().ok()? else { return None };
                (type_index == ty).then_some(())?;
                let Operator::End = operators.read().ok()? else { return None };
                operators.eof().then_some(())?;
                called.push(u32::try_from(value).ok()?);
            }
            Payload::Version { encoding: Encoding::Module, .. }
            | Payload::TableSection(_)
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    exports.into_iter().map(|(name, index)| Some((name, *called.get(index as usize)?))).collect()
}

/// The names of the imported functions that a module puts into the slots of an imported table, from the first. None when the module does
/// anything else.
pub(super) fn elements(module: &[u8]) -> Option<Vec<&str>> {
    let (mut functions, mut slots) = (Vec::new(), None);
    for payload in sections(module) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    match import.ty {
                        TypeRef::Func(_) => functions.push(import.name),
                        TypeRef::Table(_) => {}
                        _ => return None,
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element.ok()?;
                    let ElementKind::Active { table_index: None | Some(0), offset_expr } = element.kind else {
                        return None;
                    };
                    let mut offset = offset_expr.get_operators_reader();
                    let Operator::I32Const { value: 0 } = offset.read().ok()? else { return None };
                    let Operator::End = offset.read().ok()? else { return None };
                    let ElementItems::Functions(items) = element.items else { return None };
                    let items: Option<Vec<_>> =
                        items.into_iter().map(|index| functions.get(index.ok()? as usize).copied()).collect();
                    if slots.replace(items?).is_some() {
                        return None;
                    }
                }
            }
            Payload::Version { encoding: Encoding::Module, .. }
            | Payload::TypeSection(_)
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    slots
}

/// The functions that a component exports, with the name of the import that each of them is. None when the component does anything else.
pub(super) fn passed_on(component: &[u8]) -> Option<Vec<(&str, &str)>> {
    let (mut funcs, mut exports) = (Vec::new(), HashMap::new());
    for payload in sections(component) {
        match payload.ok()? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.ok()?;
                    match import.ty {
                        ComponentTypeRef::Func(_) => funcs.push(import.name.name),
                        ComponentTypeRef::Type(_) => {}
                        _ => return None,
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    match export.kind {
                        ComponentExternalKind::Func => {
                            let import = *funcs.get(export.index as usize)?;
                            exports.insert(export.name.name, import);
                            // An export is also a new function.
                            funcs.push(import);
                        }
                        ComponentExternalKind::Type => {}
                        _ => return None,
                    }
                }
            }
            Payload::Version { encoding: Encoding::Component, .. }
            | Payload::ComponentTypeSection(_)
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    Some(exports.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    const TABLE: &str = r#"(table (export "$imports") 2 2 funcref) (type $t (func (param i32 i32)))"#;

    fn trampoline(body: &str) -> Vec<u8> {
        module(&format!(r#"(module {TABLE} (func (export "0") (type $t) {body}))"#))
    }

    #[test]
    fn trampoline_passes_all_arguments_to_one_slot() {
        let passes = "local.get 0 local.get 1 i32.const 1 call_indirect (type $t)";
        assert_eq!(slots(&trampoline(passes)), Some(vec![("0", 1)]));
        for other in [
            "local.get 1 local.get 0 i32.const 1 call_indirect (type $t)",
            "local.get 0 local.get 1 i32.const 1 call_indirect (type $t) nop",
            "local.get 0 local.get 1 i32.const 0 i32.const 1 i32.add call_indirect (type $t)",
            "",
        ] {
            assert_eq!(slots(&trampoline(other)), None, "{other}");
        }
    }

    #[test]
    fn elements_are_the_imports_in_the_order_of_their_slots() {
        let imports =
            r#"(import "" "a" (func $a)) (import "" "b" (func $b)) (import "" "$imports" (table 2 2 funcref))"#;
        let fills = module(&format!("(module {imports} (elem (i32.const 0) func $b $a))"));
        assert_eq!(elements(&fills), Some(vec!["b", "a"]));
        for other in ["(elem (i32.const 1) func $b)", "(elem (i32.const 0) func $b $a) (func $f) (start $f)"] {
            assert_eq!(elements(&module(&format!("(module {imports} {other})"))), None, "{other}");
        }
    }
}
