// Looks how far a job is, and loads the page anew when it is over.
"use strict";

(() => {
  const told = document.getElementById("job");
  if (!told) return;
  const far = document.getElementById("far");

  async function look() {
    try {
      const answer = await fetch(told.dataset.job, { headers: { accept: "application/json" } });
      if (answer.redirected || answer.status === 401 || answer.status === 403) return location.reload();
      if (answer.ok) {
        const job = await answer.json();
        if (job.over) return location.reload();
        far.textContent = job.said;
      }
    } catch {
      // The machine cannot be reached just now; it is asked again.
    }
    setTimeout(look, 1000);
  }

  setTimeout(look, 500);
})();
