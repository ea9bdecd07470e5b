// R22: a list that goes back gets a new number, so of two lists with the same expiry it comes last,
// although it is older. `_idleStart` is the millisecond in which a timer was armed; the program
// starts again if it missed the one it needs.
const say = (s) => () => console.log(s);
let start = performance.now();
function main() {
  const a1 = setTimeout(say('A1 due 300'), 300);
  while (performance.now() < start + 250);
  const a2 = setTimeout(say('A2 due 550'), 300);
  let b;
  do {
    clearTimeout(b);
    b = setTimeout(say('B due 550'), 270);
  } while (b._idleStart < a2._idleStart + 30);
  if (b._idleStart > a2._idleStart + 30) {
    for (const timer of [a1, a2, b]) clearTimeout(timer);
    start = performance.now();
    main();
  }
}
main();
