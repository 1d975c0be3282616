-- title: Minutes that were not certain to be allowed
-- about: Single minutes of use on the day that were not certain to be allowed, under pseudonyms, kept for seven days (pseudonymous mode only).
-- parameters: school String, day Date
SELECT
    m.minute AS time,
    m.pseudonym AS pseudonym,
    m.service AS service,
    argMax(m.state, m.revision) AS state,
    argMax(m.outcome, m.revision) AS outcome,
    argMax(m.reason, m.revision) AS reason,
    argMax(m.episode, m.revision) AS episode
FROM schoolgate.minute_mark AS m
WHERE m.school = {school:String} AND m.day = {day:Date}
GROUP BY time, pseudonym, service
ORDER BY time, service, pseudonym
