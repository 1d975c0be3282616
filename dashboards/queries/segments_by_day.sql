-- title: Slices by network segment
-- about: Slices of catalogue services per day and network segment; pupils, guests and unknown segments are only counted, never looked at one by one.
-- parameters: school String, from Date, to Date
SELECT
    c.day AS day,
    sumIf(c.value, c.metric = 'slices_staff') AS staff,
    sumIf(c.value, c.metric = 'slices_pupil') AS pupil,
    sumIf(c.value, c.metric = 'slices_guest') AS guest,
    sumIf(c.value, c.metric = 'slices_unknown') AS unknown
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date}
    AND c.metric IN ('slices_staff', 'slices_pupil', 'slices_guest', 'slices_unknown')
GROUP BY day
ORDER BY day
