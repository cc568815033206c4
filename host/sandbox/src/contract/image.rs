//! Values on their way into a guest's memory. A value is laid out as the canonical ABI says, in blocks: one for its fixed part, and one
//! for each text or list in it, for which the guest allocates memory.

/// A value that can be laid out.
pub(crate) trait ToImage {
    /// Bytes of its fixed part.
    const SIZE: usize;
    const ALIGN: usize;

    /// Writes the value at `at` in the current block.
    fn lower(self, image: &mut Image, at: usize);
}

/// The blocks of a value. Each block comes after the one that refers to it.
#[derive(Default)]
pub(crate) struct Image {
    blocks: Vec<Block>,
    current: usize,
}

struct Block {
    bytes: Vec<u8>,
    align: usize,
    /// Where its address goes: a block, and the place in it.
    referred: Option<(usize, usize)>,
}

impl Image {
    /// The image of a value.
    pub(crate) fn of<T: ToImage>(value: T) -> Self {
        Self::over(vec![0; T::SIZE], value)
    }

    /// The image of a value whose fixed part replaces these bytes. Those between its fields stay.
    pub(crate) fn over<T: ToImage>(bytes: Vec<u8>, value: T) -> Self {
        let mut image = Self::default();
        image.blocks.push(Block { bytes, align: T::ALIGN, referred: None });
        value.lower(&mut image, 0);
        image
    }

    pub(crate) fn write<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.blocks[self.current].bytes[at..at + N].copy_from_slice(&bytes);
    }

    /// Adds a block to which the current one refers at `at`, and lets `fill` write into it.
    fn block(&mut self, at: usize, bytes: Vec<u8>, align: usize, fill: impl FnOnce(&mut Self)) {
        let outer = self.current;
        self.blocks.push(Block { bytes, align, referred: Some((outer, at)) });
        self.current = self.blocks.len() - 1;
        fill(self);
        self.current = outer;
    }

    /// The size and the alignment of the last block that has no place yet, other than the first one.
    pub(crate) fn next(&self) -> Option<(usize, usize)> {
        self.blocks[1..].last().map(|block| (block.bytes.len(), block.align))
    }

    /// The last block gets a place: its bytes. No block refers to an address that is not known, since the later ones have theirs.
    pub(crate) fn place(&mut self, address: u32) -> Vec<u8> {
        let block = self.blocks.pop().expect("`next` told of it");
        if let Some((referring, at)) = block.referred {
            self.blocks[referring].bytes[at..at + 4].copy_from_slice(&address.to_le_bytes());
        }
        block.bytes
    }

    /// The size and the alignment of the first block.
    pub(crate) fn root(&self) -> (usize, usize) {
        (self.blocks[0].bytes.len(), self.blocks[0].align)
    }

    /// The bytes of the first block. They are complete when all other blocks have their places.
    pub(crate) fn root_bytes(&self) -> &[u8] {
        &self.blocks[0].bytes
    }

    /// The number in the first block at `at`.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let bytes = &self.blocks[0].bytes[at..at + 4];
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }
}

/// The length of a text or list, as the ABI has it. A host has no text of 4 GiB for a guest: the bytes of one call are bounded.
fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

/// The largest of some sizes or alignments.
pub(super) const fn most(of: &[usize]) -> usize {
    let (mut most, mut index) = (0, 0);
    while index < of.len() {
        if of[index] > most {
            most = of[index];
        }
        index += 1;
    }
    most
}

/// The size of a record whose fields have these sizes and alignments.
pub(super) const fn end_of_record(fields: &[(usize, usize)]) -> usize {
    let (mut end, mut align, mut index) = (0_usize, 1, 0);
    while index < fields.len() {
        let (size, field_align) = fields[index];
        end = end.next_multiple_of(field_align) + size;
        if field_align > align {
            align = field_align;
        }
        index += 1;
    }
    end.next_multiple_of(align)
}

/// Lays out a variant: each case with its number, and the type of its value if it has one.
macro_rules! variant_image {
    ($name:ident { $($number:literal $case:ident $(($value:ident: $payload:ty))?),+ $(,)? }) => {
        impl $crate::contract::image::ToImage for $name {
            const SIZE: usize = $crate::contract::image::end_of_record(&[
                (1, 1),
                ($crate::contract::image::most(&[0, $($(<$payload as $crate::contract::image::ToImage>::SIZE,)?)+]), Self::ALIGN),
            ]);
            const ALIGN: usize =
                $crate::contract::image::most(&[1, $($(<$payload as $crate::contract::image::ToImage>::ALIGN,)?)+]);

            fn lower(self, image: &mut $crate::contract::image::Image, at: usize) {
                match self {
                    $(Self::$case $(($value))? => {
                        image.write(at, [$number]);
                        $($crate::contract::image::ToImage::lower($value, image, at + Self::ALIGN);)?
                    })+
                }
            }
        }
    };
}
pub(super) use variant_image;

/// Lays out a record: its fields in order, with their types.
macro_rules! record_image {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        impl $crate::contract::image::ToImage for $name {
            const SIZE: usize = $crate::contract::image::end_of_record(&[
                $((<$type as $crate::contract::image::ToImage>::SIZE, <$type as $crate::contract::image::ToImage>::ALIGN),)+
            ]);
            const ALIGN: usize = $crate::contract::image::most(&[$(<$type as $crate::contract::image::ToImage>::ALIGN,)+]);

            fn lower(self, image: &mut $crate::contract::image::Image, at: usize) {
                let mut offset = 0_usize;
                $(
                    offset = offset.next_multiple_of(<$type as $crate::contract::image::ToImage>::ALIGN);
                    $crate::contract::image::ToImage::lower(self.$field, image, at + offset);
                    offset += <$type as $crate::contract::image::ToImage>::SIZE;
                )+
                let _ = offset;
            }
        }
    };
}
pub(super) use record_image;

macro_rules! number_image {
    ($($number:ty)*) => {
        $(impl ToImage for $number {
            const SIZE: usize = size_of::<$number>();
            const ALIGN: usize = size_of::<$number>();

            fn lower(self, image: &mut Image, at: usize) {
                image.write(at, self.to_le_bytes());
            }
        })*
    };
}
number_image!(u32 u64);

impl ToImage for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at, [u8::from(self)]);
    }
}

impl ToImage for () {
    const SIZE: usize = 0;
    const ALIGN: usize = 1;

    fn lower(self, _: &mut Image, _: usize) {}
}

impl ToImage for String {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at + 4, length(self.len()));
        image.block(at, self.into_bytes(), 1, |_| {});
    }
}

impl<T: ToImage> ToImage for Vec<T> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at + 4, length(self.len()));
        image.block(at, vec![0; self.len() * T::SIZE], T::ALIGN, |image| {
            for (index, item) in self.into_iter().enumerate() {
                item.lower(image, index * T::SIZE);
            }
        });
    }
}

impl ToImage for Vec<u8> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at + 4, length(self.len()));
        image.block(at, self, 1, |_| {});
    }
}

impl<A: ToImage, B: ToImage> ToImage for (A, B) {
    const SIZE: usize = end_of_record(&[(A::SIZE, A::ALIGN), (B::SIZE, B::ALIGN)]);
    const ALIGN: usize = most(&[A::ALIGN, B::ALIGN]);

    fn lower(self, image: &mut Image, at: usize) {
        self.0.lower(image, at);
        self.1.lower(image, at + A::SIZE.next_multiple_of(B::ALIGN));
    }
}

impl<T: ToImage> ToImage for Option<T> {
    const SIZE: usize = end_of_record(&[(1, 1), (T::SIZE, T::ALIGN)]);
    const ALIGN: usize = T::ALIGN;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at, [u8::from(self.is_some())]);
        if let Some(value) = self {
            value.lower(image, at + T::ALIGN);
        }
    }
}

impl<T: ToImage, E: ToImage> ToImage for Result<T, E> {
    const SIZE: usize = end_of_record(&[(1, 1), (most(&[T::SIZE, E::SIZE]), Self::ALIGN)]);
    const ALIGN: usize = most(&[T::ALIGN, E::ALIGN]);

    fn lower(self, image: &mut Image, at: usize) {
        let payload = at + Self::ALIGN;
        image.write(at, [u8::from(self.is_err())]);
        match self {
            Ok(value) => value.lower(image, payload),
            Err(error) => error.lower(image, payload),
        }
    }
}
