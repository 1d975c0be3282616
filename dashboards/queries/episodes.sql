-- title: Episodes
-- about: Episodes of use outside allowed times from one day to another, under pseudonyms, the latest first (pseudonymous mode only).
-- parameters: school String, from Date, to Date
SELECT
    e.day AS day,
    e.id AS id,
    e.pseudonym AS pseudonym,
    e.service AS service,
    e.kind AS kind,
    min(e.start) AS first,
    max(e.last) AS final,
    sum(e.minutes) AS minutes,
    max(e.grade) AS grade,
    arraySort(groupArray(visitParamExtractRaw(e.why, 'states'))) AS states,
    max(visitParamExtractString(e.why, 'confidence')) AS confidence
FROM schoolgate.episode AS e
WHERE e.school = {school:String} AND e.day >= {from:Date} AND e.day <= {to:Date}
GROUP BY day, id, pseudonym, service, kind
ORDER BY first DESC, id
