//! Follows the definitions of a component as an instantiation would, and sums up the resources of all its core instances.

use std::collections::HashMap;
use std::rc::Rc;

use super::definitions::{Body, Kind, MOST_STEPS, Step, Steps, read};
use super::resources::Footprint;
use crate::component::sections::MOST_LEVELS;

/// A definition with a place in an index space.
#[derive(Clone)]
enum Item<'a> {
    Module(Footprint),
    /// A component, with the index spaces of the component that it was written in.
    Component(Rc<Body<'a>>, Rc<Spaces<'a>>),
    Instance(Rc<HashMap<&'a str, Item<'a>>>),
    /// An import from the host, which provides functions only.
    Foreign,
}

/// The index spaces of one component while it is instantiated.
#[derive(Default, Clone)]
struct Spaces<'a> {
    modules: Vec<Item<'a>>,
    components: Vec<Item<'a>>,
    instances: Vec<Item<'a>>,
    outer: Option<Rc<Spaces<'a>>>,
}

impl<'a> Spaces<'a> {
    fn space(&mut self, kind: Kind) -> &mut Vec<Item<'a>> {
        match kind {
            Kind::Module => &mut self.modules,
            Kind::Component => &mut self.components,
            Kind::Instance => &mut self.instances,
        }
    }

    fn item(&self, kind: Kind, index: u32) -> Option<Item<'a>> {
        let space = match kind {
            Kind::Module => &self.modules,
            Kind::Component => &self.components,
            Kind::Instance => &self.instances,
        };
        space.get(index as usize).cloned()
    }

    fn named(&self, parts: &[(&'a str, Kind, u32)]) -> Option<HashMap<&'a str, Item<'a>>> {
        parts.iter().map(|(name, kind, index)| Some((*name, self.item(*kind, *index)?))).collect()
    }
}

impl Footprint {
    /// None for a binary that is not a component, and for one that cannot be followed without instantiating it.
    pub(crate) fn of(wasm: &[u8]) -> Option<Self> {
        let body = Rc::new(read(wasm)?);
        let mut count = Count { total: Self::default(), steps: Steps(MOST_STEPS) };
        count.instantiate(&body, &HashMap::new(), None, MOST_LEVELS)?;
        Some(count.total)
    }
}

struct Count {
    total: Footprint,
    steps: Steps,
}

impl Count {
    /// Adds the initial resources of a component's instances, and returns its exports.
    fn instantiate<'a>(
        &mut self,
        body: &Rc<Body<'a>>,
        arguments: &HashMap<&'a str, Item<'a>>,
        outer: Option<Rc<Spaces<'a>>>,
        levels: usize,
    ) -> Option<HashMap<&'a str, Item<'a>>> {
        let levels = levels.checked_sub(1)?;
        let mut spaces = Spaces { outer, ..Spaces::default() };
        let mut exports = HashMap::new();
        for step in &body.steps {
            self.steps.take(step.cost())?;
            match step {
                Step::Module(footprint) => spaces.modules.push(Item::Module(*footprint)),
                Step::Component(body) => {
                    // A copy of the definitions so far: an inner component cannot refer to later ones.
                    let items = spaces.modules.len() + spaces.components.len() + spaces.instances.len();
                    self.steps.take(items)?;
                    let written_in = Rc::new(spaces.clone());
                    spaces.components.push(Item::Component(body.clone(), written_in));
                }
                Step::Import(name, kind) => {
                    let item = arguments.get(name).cloned().unwrap_or(Item::Foreign);
                    spaces.space(*kind).push(item);
                }
                Step::CoreInstance(module) => match spaces.item(Kind::Module, *module)? {
                    Item::Module(footprint) => self.total.add(&footprint),
                    _ => return None,
                },
                Step::Instance(component, arguments) => {
                    let Item::Component(body, written_in) = spaces.item(Kind::Component, *component)? else {
                        return None;
                    };
                    let arguments = spaces.named(arguments)?;
                    let exports = self.instantiate(&body, &arguments, Some(written_in), levels)?;
                    spaces.instances.push(Item::Instance(Rc::new(exports)));
                }
                Step::Bundle(parts) => {
                    let parts = spaces.named(parts)?;
                    spaces.instances.push(Item::Instance(Rc::new(parts)));
                }
                Step::Member(kind, instance, name) => {
                    let item = match spaces.item(Kind::Instance, *instance)? {
                        Item::Instance(members) => members.get(name).cloned()?,
                        _ => Item::Foreign,
                    };
                    spaces.space(*kind).push(item);
                }
                Step::Outer(kind, levels, index) => {
                    let item = if *levels == 0 {
                        spaces.item(*kind, *index)?
                    } else {
                        let mut at = spaces.outer.clone()?;
                        for _ in 1..*levels {
                            at = at.outer.clone()?;
                        }
                        at.item(*kind, *index)?
                    };
                    spaces.space(*kind).push(item);
                }
                Step::Export(name, kind, index) => {
                    let item = spaces.item(*kind, *index)?;
                    exports.insert(*name, item.clone());
                    // An export gets an index of its own as well.
                    spaces.space(*kind).push(item);
                }
            }
        }
        Some(exports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ELEMENT_BYTES;

    fn of(text: &str) -> Option<Footprint> {
        Footprint::of(&wat::parse_str(text).expect("a component"))
    }

    #[test]
    fn memories_and_tables_of_all_instances_count_together() {
        let text = r#"(component
            (core module $a (memory 2) (table 100 funcref))
            (core module $b (import "x" "m" (memory 1)) (memory 1) (memory 3))
            (core instance $one (instantiate $a))
            (core instance (instantiate $a))
            (core module $main (memory (export "m") 1))
            (core instance $m (instantiate $main))
            (core instance (instantiate $b (with "x" (instance $m))))
            (core module $unused (memory 50)))"#;
        let bytes = (2 + 2 + 1 + 1 + 3) * 65_536 + 2 * 100 * ELEMENT_BYTES;
        let expected = Footprint { core_instances: 4, memories: 5, tables: 2, table_elements: 100, bytes };
        assert_eq!(of(text), Some(expected));
    }

    #[test]
    fn nested_components_count_once_for_each_instance() {
        let text = r#"(component
            (core module $m (memory 1))
            (component $given (core module $own (memory 2)) (core instance (instantiate $own)) (export "own" (core module $own)))
            (instance $g (instantiate $given))
            (component $inner
                (import "part" (core module $part))
                (alias outer 1 $m (core module $outer))
                (core instance (instantiate $part))
                (core instance (instantiate $outer)))
            (instance (instantiate $inner (with "part" (core module $g "own"))))
            (instance (instantiate $inner (with "part" (core module $m)))))"#;
        let found = of(text).expect("it can be followed");
        assert_eq!((found.core_instances, found.memories, found.bytes), (5, 5, (2 + 2 + 1 + 1 + 1) * 65_536));
    }

    #[test]
    fn countless_instances_are_not_followed_for_ever() {
        let mut text =
            String::from("(component (component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))");
        for n in 1..60 {
            // Each component instantiates the one before it twice.
            let before = n - 1;
            let (name, before) = (format!("$c{n}"), format!("$c{before}"));
            text += &["(component ", &name, " (alias outer 1 ", &before, " (component $c))"].concat();
            text += " (instance (instantiate $c)) (instance (instantiate $c)))";
        }
        text.push_str("(instance (instantiate $c59)))");
        assert_eq!(of(&text), None);
    }

    /// `count` instances that bundle `parts` names each, and take no resources.
    fn bundles(count: usize, parts: usize) -> String {
        let names: String = (0..parts).map(|n| format!("(export \"a{n}\" (instance $e))")).collect();
        let bundles = format!("(instance {names})").repeat(count);
        format!("(component (component $c) (instance $e (instantiate $c)) {bundles})")
    }

    #[test]
    fn parts_of_a_definition_count_like_definitions() {
        assert_eq!(of(&bundles(10, 1000)), Some(Footprint::default()));
        assert_eq!(of(&bundles(300, 1000)), None);
    }

    #[test]
    fn definition_that_is_followed_costs_its_parts_each_time() {
        let instances = "(instance (instantiate $many))".repeat(300);
        let many = bundles(1, 1000).replacen("(component", "(component $many", 1);
        assert_eq!(of(&format!("(component {many} {instances})")), None);
        assert!(of(&format!("(component {many} (instance (instantiate $many)))")).is_some());
    }

    #[test]
    fn other_files_have_no_footprint() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0 and then nonsense"] {
            assert_eq!(Footprint::of(bytes), None);
        }
        assert_eq!(of("(component)"), Some(Footprint::default()));
    }
}
