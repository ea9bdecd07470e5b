// The call stack: a call runs to its end first
async function first() {
  console.log('start of first');
  second();
  console.log('end of first');
}

async function second() {
  third();
  console.log('in second');
}

function third() {
  console.log('in third');
}

first();
