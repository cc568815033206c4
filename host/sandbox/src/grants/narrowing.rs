//! Lists of grants of a child, narrowed to those of its parent.

/// The common part of two lists: of each pair in which one covers the other, the narrower one.
pub(super) fn common<T: Clone + PartialEq>(child: &[T], parent: &[T], covers: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut both = Vec::new();
    for (own, above) in child.iter().flat_map(|own| parent.iter().map(move |above| (own, above))) {
        let narrower = if covers(above, own) { own } else { above };
        if (covers(above, own) || covers(own, above)) && !both.contains(narrower) {
            both.push(narrower.clone());
        }
    }
    both
}
