export { createFileDevice } from './raw/file-device.ts';
export { FrameEncoder, mostDataBytes, type StreamHeader } from './volume-stream/frame.ts';
export { readFrames, type StreamFrame } from './volume-stream/read-frames.ts';
