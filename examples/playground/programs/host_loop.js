// A loop inside of another loop
// A game that runs one task of its own queue for each turn of the event loop.
const frames = ['load', 'draw', 'draw', 'save'];

function frame() {
  const task = frames.shift();
  console.log(`game: ${task}`);
  if (task === 'draw') Promise.resolve().then(() => console.log('  a microtask of the frame'));
  if (frames.length > 0) setImmediate(frame);
}

setImmediate(frame);
setTimeout(() => console.log('the loop continues after the game'), 200);
