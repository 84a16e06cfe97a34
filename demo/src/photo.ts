import type { Pad } from "./pad.ts";

const LONGEST = 1120; // pixels of a side that the model's preparation gets

/** Take a photo of a digit that the user chooses, drops or pastes. */
export function takePhotos(
  pad: Pad,
  input: HTMLInputElement,
  tell: (problem: string) => void,
): void {
  let last: File | undefined; // decoding a large one takes longer than the next one
  const take = async (file: File | null | undefined) => {
    if (!file) return;
    last = file;
    try {
      const photo = await decode(file);
      if (file === last) pad.showPhoto(photo, pixelsOf(photo));
      photo.close();
    } catch {
      if (file !== last) return;
      tell(
        `${file.name} is not a picture that this browser reads. Choose a PNG, JPEG or WebP file.`,
      );
    }
  };
  input.addEventListener("change", async () => {
    await take(input.files?.[0]);
    input.value = ""; // the same file can be chosen again
  });
  addEventListener("paste", (event) => take(event.clipboardData?.files[0]));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files[0]);
  });
}

/** Decode a picture, turned as its EXIF says, at a size that fits into memory. */
async function decode(file: File): Promise<ImageBitmap> {
  const whole = await createImageBitmap(file);
  const { width, height } = whole;
  const scale = LONGEST / Math.max(width, height);
  if (scale >= 1) return whole;
  const smaller = await createImageBitmap(whole, {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: "high",
  });
  whole.close();
  return smaller;
}

function pixelsOf(photo: ImageBitmap): ImageData {
  const context = new OffscreenCanvas(photo.width, photo.height).getContext("2d");
  if (!context) throw new Error("this browser cannot draw");
  context.drawImage(photo, 0, 0);
  return context.getImageData(0, 0, photo.width, photo.height);
}
